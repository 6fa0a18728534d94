//! The name server of a node's pods. It knows only the name of the API server, and implements only
//! as much of DNS as that needs (RFC 1035).

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{Fence, Side};

pub(crate) const DOMAIN: &str = "cluster.local";
const KUBERNETES: &str = "kubernetes.default.svc.cluster.local";
const KUBERNETES_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Type A, class IN.
const ADDRESS: [u8; 4] = [0, 1, 0, 1];
const HEADER: usize = 12;

/// Answers until it is dropped.
#[derive(Debug)]
pub(crate) struct NameServer {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<io::Result<()>>>>,
}

impl NameServer {
    pub(crate) fn start(fence: &Arc<Fence>, side: Side) -> io::Result<Self> {
        let ends = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ends);
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let thread = fence.thread(side, move || {
            let socket = UdpSocket::bind((side.node_address(), 53))?;
            socket.set_read_timeout(Some(LOOK_EVERY))?;
            // If nobody waits any more, there are no more questions either.
            let _ = ready.send(());
            serve(&socket, &until)
        });
        let mut server = Self {
            ends,
            thread: Some(thread),
        };
        if is_ready.recv().is_err() {
            let ended = server.thread.take().map(JoinHandle::join);
            let fault = match ended {
                Some(Ok(Err(error) | Ok(Err(error)))) => error,
                _ => io::Error::other("the name server ended"),
            };
            return Err(fault);
        }
        Ok(server)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The result of the thread is not needed.
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, ends: &AtomicBool) -> io::Result<()> {
    let mut question = [0; 512];
    while !ends.load(Ordering::Relaxed) {
        match socket.recv_from(&mut question) {
            Ok((length, from)) => {
                if let Some(answer) = answer(&question[..length]) {
                    // A client whose answer is lost asks again.
                    let _ = socket.send_to(&answer, from);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The answer to a question; `None` if it is not a question.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let name = question.get(HEADER..)?;
    let length = name.iter().position(|&byte| byte == 0)? + 1;
    let kind = name.get(length..length + ADDRESS.len())?;
    let is_known = name[..length].eq_ignore_ascii_case(&labels(KUBERNETES));
    let has_answer = is_known && kind == ADDRESS;
    // The answer is authoritative. Code 3 means that there is no such name.
    let code = if is_known { 0 } else { 3 };
    let mut answer = question[..2].to_vec();
    answer.extend([0x85, 0x80 | code, 0, 1, 0, u8::from(has_answer), 0, 0, 0, 0]);
    answer.extend(&name[..length + ADDRESS.len()]);
    if has_answer {
        // A pointer to the name in the question, a TTL of five seconds, and four bytes of data.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
        answer.extend(KUBERNETES_ADDRESS.octets());
    }
    Some(answer)
}

fn labels(name: &str) -> Vec<u8> {
    let mut labels = Vec::new();
    for label in name.split('.') {
        labels.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        labels.extend(label.as_bytes());
    }
    labels.push(0);
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &str, kind: u8) -> Vec<u8> {
        let header = [7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let question = [header.as_slice(), &labels(name), &[0, kind, 0, 1]].concat();
        answer(&question).unwrap()
    }

    #[test]
    fn knows_the_api_server_and_nothing_else() {
        let known = ask(KUBERNETES, 1);
        assert_eq!(known[..8], [7, 9, 0x85, 0x80, 0, 1, 0, 1]);
        assert!(known.ends_with(&[10, 96, 0, 1]));
        // There is such a name, but no record of that type (AAAA).
        assert_eq!(ask(KUBERNETES, 28)[..8], [7, 9, 0x85, 0x80, 0, 1, 0, 0]);
        assert_eq!(ask("example.org", 1)[..8], [7, 9, 0x85, 0x83, 0, 1, 0, 0]);
        assert_eq!(answer(&[0; 12]), None);
    }
}
