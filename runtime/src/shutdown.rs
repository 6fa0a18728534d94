//! Cancels a token on a signal. The holder of the token decides what is drained, and for how long.

use std::io;

use tokio::{
    select,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Waits for SIGTERM or SIGINT and then cancels `token`. A second signal ends the process at once.
///
/// Returns if `token` is cancelled by other code. After a first signal it waits for the second, so
/// it must run on a task that is aborted once the drain is over.
pub async fn on_signal(token: CancellationToken) {
    if let Err(error) = watch(token).await {
        error!(%error, "cannot listen for signals: only SIGKILL will end this process");
    }
}

async fn watch(token: CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let name = select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = token.cancelled() => return Ok(()),
    };
    info!(
        signal = name,
        "shutting down: no new connections, those in flight may finish"
    );
    token.cancel();
    select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    warn!("second signal: ending at once");
    std::process::exit(130);
}
