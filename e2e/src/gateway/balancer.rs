//! A stand-in for a Service: picks one of several backends at random for each connection, and another one
//! if that does not accept.

use std::{
    hash::{BuildHasher as _, RandomState},
    io,
    net::Ipv4Addr,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Passes connections on until it is dropped.
#[derive(Debug)]
pub struct Balancer {
    port: u16,
    backends: Arc<Mutex<Vec<u16>>>,
    _accepting: JoinSet<()>,
}

impl Balancer {
    /// Stands before these ports of this machine.
    pub async fn start(backends: Vec<u16>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let backends = Arc::new(Mutex::new(backends));
        let now = Arc::clone(&backends);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((caller, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                let backends = now.lock().clone();
                connections.spawn(pass_on(caller, backends));
            }
        });
        Ok(Self {
            port,
            backends,
            _accepting: accepting,
        })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// New connections lead to these ports from now on, as to endpoints that are ready. Those that are
    /// open stay where they are.
    pub fn lead_to(&self, backends: Vec<u16>) {
        *self.backends.lock() = backends;
    }
}

async fn pass_on(mut caller: TcpStream, mut backends: Vec<u16>) {
    while !backends.is_empty() {
        let chosen = backends.swap_remove(random(backends.len()));
        if let Ok(mut backend) = TcpStream::connect((Ipv4Addr::LOCALHOST, chosen)).await {
            // Either end may break it; both learn of it by the end of the other.
            let _ = copy_bidirectional(&mut caller, &mut backend).await;
            return;
        }
    }
}

/// Below `most`, as good as dice.
fn random(most: usize) -> usize {
    let number = RandomState::new().hash_one(0);
    usize::try_from(number % most as u64).expect("it is below a usize")
}
