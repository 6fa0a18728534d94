//! Feeds arbitrary bytes to everything that decodes a peer's bytes, and checks what must always be
//! true. The targets in `fuzz/` and the test of their corpus call this.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, copy, duplex, sink, split},
    join,
    sync::watch,
    task::yield_now,
};

use crate::{
    Budget, Dial, Hello, Phase, Refusal, Session, Share, Target, hello, refusal, serve,
    websocket::WebSocket,
};

/// Tests a hello, whose header values are one per line. A hello that can be read is within the
/// limits and survives a round trip, and both ends agree on the same.
pub fn hello(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    let values = bytes.splitn(hello::HEADERS.len(), |byte| *byte == b'\n');
    for (name, value) in hello::HEADERS.into_iter().zip(values) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
    let Ok(theirs) = Hello::read(&headers) else {
        return;
    };
    assert!(theirs.oldest <= theirs.newest && theirs.capabilities.len() <= 64);
    let mut written = HeaderMap::new();
    theirs.write(&mut written);
    assert_eq!(Hello::read(&written).as_ref(), Ok(&theirs));
    let ours = Hello::default();
    assert_eq!(ours.agree(&theirs).ok(), theirs.agree(&ours).ok());
}

/// Tests the authority of a CONNECT. A target that can be read has a host and a port and survives a
/// round trip.
pub fn target(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(target) = text.parse::<Target>() {
        assert!(!target.host().is_empty() && target.port() > 0, "{text}");
        assert!(!target.host().contains(['@', '/', '[', ']']), "{text}");
        assert_eq!(target.to_string().parse().as_ref(), Ok(&target));
    }
}

/// Tests an answer to a CONNECT: two bytes of status, then the word. It always reads as a refusal,
/// which survives a round trip.
pub fn refusal(bytes: &[u8]) {
    let Some((status, word)) = bytes.split_first_chunk() else {
        return;
    };
    let Ok(status) = StatusCode::from_u16(u16::from_be_bytes(*status)) else {
        return;
    };
    let mut headers = HeaderMap::new();
    if let Ok(word) = HeaderValue::from_bytes(word) {
        headers.insert(refusal::REFUSAL, word);
    }
    let refusal = Refusal::read(status, &headers);
    let answer = refusal.response();
    assert_eq!(Refusal::read(answer.status(), answer.headers()), refusal);
}

/// Sends arbitrary bytes as an agent to a gateway that opens a pipe as soon as it can. In the end
/// nothing is charged any more. True if a pipe opened.
pub fn agent_says(bytes: &[u8]) -> bool {
    run(async {
        let (near, far) = duplex(1 << 20);
        let budget = Budget::new(1 << 30);
        let gateway = async {
            let attached = Session::attach(near, &Hello::default(), budget.clone()).await;
            let Ok((session, driver)) = attached else {
                return false;
            };
            let target = "target:1".parse().expect("a constant");
            let piped = async {
                let Ok(mut pipe) = session.open(&target).await else {
                    return false;
                };
                // Both may fail at any time.
                let _ = pipe.write_all(b"hello").await;
                let _ = copy(&mut pipe, &mut sink()).await;
                true
            };
            join!(driver.run(pending()), piped).1
        };
        let (opened, ()) = join!(gateway, say(far, bytes));
        assert_eq!(budget.used(), 0);
        opened
    })
}

/// Sends arbitrary bytes as a gateway to an agent whose targets close at once. In the end nothing
/// is charged any more. True if a target was dialled.
pub fn gateway_says(bytes: &[u8]) -> bool {
    run(async {
        let (near, far) = duplex(1 << 20);
        let budget = Budget::new(1 << 30);
        let hello = Hello::default();
        let phase = watch::channel(Phase::Greeting).0;
        let targets = Arc::<Empty>::default();
        let agent = serve(
            near,
            &hello,
            Arc::clone(&targets),
            &budget,
            phase,
            pending(),
        );
        // Every result is acceptable here.
        let (_, ()) = join!(agent, say(far, bytes));
        assert_eq!(budget.used(), 0);
        targets.0.load(Ordering::Relaxed)
    })
}

/// Reads arbitrary bytes as the WebSocket frames of a client. What they mean does not depend on how they
/// arrive, and no more comes out than went in. Returns how many bytes of a stream they hold.
pub fn websocket(bytes: &[u8]) -> usize {
    let whole = unframed(bytes, bytes.len());
    assert_eq!(whole, unframed(bytes, 1));
    assert!(whole.0.len() <= bytes.len());
    whole.0.len()
}

/// The bytes of a stream in WebSocket frames of which `cut` bytes arrive at a time, and whether it ended
/// well.
fn unframed(bytes: &[u8], cut: usize) -> (Vec<u8>, bool) {
    let (near, far) = duplex(cut.max(1));
    let mut stream = Vec::new();
    let is_well = run(async {
        // Dropped after its end, so that nobody waits for what is still to be said.
        let reading = async {
            let mut server = WebSocket::server(near);
            server.read_to_end(&mut stream).await.is_ok()
        };
        let (mut hears, mut says) = split(far);
        let saying = async {
            let _ = says.write_all(bytes).await;
            let _ = says.shutdown().await;
        };
        let mut nowhere = sink();
        join!(reading, saying, copy(&mut hears, &mut nowhere)).0
    });
    (stream, is_well)
}

/// A target that closes at once. True once it was dialled.
#[derive(Default)]
struct Empty(AtomicBool);

impl Dial for Empty {
    type Io = DuplexStream;

    async fn dial(&self, _: &Target, _: Share) -> Result<DuplexStream, Refusal> {
        self.0.store(true, Ordering::Relaxed);
        Ok(duplex(64).0)
    }
}

/// Sends all of `bytes`, frame by frame, and then closes. Before each frame the other end has time
/// to answer.
async fn say(far: DuplexStream, mut bytes: &[u8]) {
    let (mut hears, mut says) = split(far);
    let saying = async {
        while !bytes.is_empty() {
            for _ in 0..20 {
                yield_now().await;
            }
            let (frame, rest) = bytes.split_at(frame_length(bytes));
            // The other end may have closed.
            let _ = says.write_all(frame).await;
            bytes = rest;
        }
        let _ = says.shutdown().await;
    };
    let mut nowhere = sink();
    let ((), _) = join!(saying, copy(&mut hears, &mut nowhere));
}

/// The length of the first frame of `bytes` (RFC 9113 §4.1), or of all bytes if they are not
/// frames.
fn frame_length(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"PRI * ") {
        return bytes.len().min(24);
    }
    let length = |&[a, b, c]: &[u8; 3]| u32::from_be_bytes([0, a, b, c]) as usize + 9;
    let length = bytes.first_chunk().map_or(bytes.len(), length);
    length.min(bytes.len())
}

fn run(future: impl Future<Output = bool>) -> bool {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without I/O")
        .block_on(future)
}
