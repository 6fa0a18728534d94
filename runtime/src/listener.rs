//! The accept loop of every listener: bounded in connections, patient when the process runs out of
//! file descriptors, over when it is told to stop. It tells strangers, who have not proved who they
//! are, from everybody else (`visitor.rs`).

mod strangers;
mod visitor;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::Semaphore,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use self::strangers::Strangers;
pub use self::visitor::Visitor;
use crate::tcp::keep_alive;

/// How long to wait when accepting fails.
const RETRY: Duration = Duration::from_millis(100);

/// How many connections one listener holds. More wait to be accepted.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections in all.
    pub connections: usize,
    /// Connections of strangers. If there are more, the oldest ones are closed, so that strangers
    /// never keep anybody out.
    pub strangers: usize,
    /// The same for the strangers of one address, or of one /64 of IPv6.
    pub strangers_per_address: usize,
    /// How long a connection may take to prove who it is.
    pub patience: Duration,
}

impl Bounds {
    /// For listeners where peers prove who they are.
    pub const AUTHENTICATED: Self = Self {
        connections: 16 << 10,
        strangers: 1 << 10,
        strangers_per_address: 256,
        patience: Duration::from_secs(15),
    };
    /// For listeners where everybody stays a stranger.
    pub const ANONYMOUS: Self = Self {
        connections: 64,
        strangers: 32,
        strangers_per_address: 16,
        patience: Duration::from_secs(30),
    };
}

/// Serves each connection on a task of its own among `tasks`, until `stop`.
pub async fn accept<F>(
    listener: TcpListener,
    bounds: Bounds,
    tasks: TaskTracker,
    stop: CancellationToken,
    serve: impl Fn(TcpStream, Arc<Visitor>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(bounds.connections));
    let strangers = Arc::new(Strangers::new(&bounds));
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots)
                .acquire_owned()
                .await
                .expect("never closed");
            (listener.accept().await, slot)
        };
        let (accepted, slot) = select! {
            accepted = accepted => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, address)) => {
                keep_alive(&stream);
                let visitor = Visitor::at(&strangers, SocketAddr::ip(&address));
                let served = serve(stream, Arc::clone(&visitor));
                tasks.spawn(async move {
                    select! {
                        () = served => {}
                        () = visitor.outstayed(bounds.patience) => {}
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                sleep(RETRY).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
