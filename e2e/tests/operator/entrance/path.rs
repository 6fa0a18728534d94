//! The network path from agents to a port, which can be cut.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    select,
    sync::Notify,
    task::JoinSet,
};

pub(crate) struct Path {
    port: u16,
    open: Arc<AtomicUsize>,
    cut: Arc<Notify>,
    _passing: JoinSet<()>,
}

impl Path {
    pub(crate) async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (open, cut) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let mut passing = JoinSet::new();
        passing.spawn(pass(listener, target, Arc::clone(&open), Arc::clone(&cut)));
        Self {
            port,
            open,
            cut,
            _passing: passing,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        self.cut.notify_one();
    }
}

async fn pass(listener: TcpListener, target: u16, open: Arc<AtomicUsize>, cut: Arc<Notify>) {
    let mut connections = JoinSet::new();
    loop {
        select! {
            accepted = listener.accept() => {
                let (from, _) = accepted.unwrap();
                let open = Open::count(&open);
                connections.spawn(copy(from, target, open));
            }
            Some(_) = connections.join_next() => {}
            () = cut.notified() => connections.shutdown().await,
        }
    }
}

async fn copy(mut from: TcpStream, target: u16, _open: Open) {
    if let Ok(mut to) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await {
        // An error means the end of the connection.
        let _ = copy_bidirectional(&mut from, &mut to).await;
    }
}

struct Open(Arc<AtomicUsize>);

impl Open {
    fn count(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
