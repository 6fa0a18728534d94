//! A stand-in for a Service: it picks one of several backends at random for each connection, and
//! another one if that does not accept. It has a thread of its own, so that tests with different
//! runtimes can share it.

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
    runtime::{Builder, Runtime},
    task::JoinSet,
};

/// Passes connections on until it is dropped.
#[derive(Debug)]
pub struct Balancer {
    port: u16,
    backends: Arc<Mutex<Vec<u16>>>,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Balancer {
    /// A balancer for these ports of this machine.
    pub fn start(backends: Vec<u16>) -> io::Result<Self> {
        let mut runtime = Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let listener = {
            let _here = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let backends = Arc::new(Mutex::new(backends));
        runtime.spawn(accept(listener, Arc::clone(&backends)));
        Ok(Self {
            port,
            backends,
            runtime: Some(runtime),
        })
    }

    /// The port where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// New connections are routed to these ports from now on, as to endpoints that are ready. Open
    /// connections stay where they are.
    pub fn lead_to(&self, backends: Vec<u16>) {
        *self.backends.lock() = backends;
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for its thread would block the runtime that drops it.
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, backends: Arc<Mutex<Vec<u16>>>) {
    let mut connections = JoinSet::new();
    while let Ok((caller, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let backends = backends.lock().clone();
        connections.spawn(pass_on(caller, backends));
    }
}

async fn pass_on(mut caller: TcpStream, mut backends: Vec<u16>) {
    while !backends.is_empty() {
        let chosen = backends.swap_remove(random(backends.len()));
        if let Ok(mut backend) = TcpStream::connect((Ipv4Addr::LOCALHOST, chosen)).await {
            // Either end may break the connection. The other end then sees it end.
            let _ = copy_bidirectional(&mut caller, &mut backend).await;
            return;
        }
    }
}

/// A random number below `most`.
fn random(most: usize) -> usize {
    let number = RandomState::new().hash_one(0);
    usize::try_from(number % most as u64).expect("it is below a usize")
}
