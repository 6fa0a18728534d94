//! The accept loop of both listeners: bounded in connections, patient when the process runs out of
//! file descriptors, over when the drain begins.

use std::{future::Future, sync::Arc, time::Duration};

use runtime::http_proxy::keep_alive;
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::Semaphore,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

/// Connections open at once on one listener; more wait to be accepted.
const MAX_CONNECTIONS: usize = 16 << 10;
/// How long to wait when accepting fails.
const RETRY: Duration = Duration::from_millis(100);

/// Serves each connection on a task of its own among `tasks`, until `drain`.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    tasks: TaskTracker,
    drain: CancellationToken,
    serve: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
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
            () = drain.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                keep_alive(&stream);
                let served = serve(stream);
                tasks.spawn(async move {
                    served.await;
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
