//! Something that happens once.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// A signal that stays set. Asking whether it is set takes no lock.
#[derive(Debug, Default)]
pub(super) struct Signal {
    is_set: AtomicBool,
    waiting: CancellationToken,
}

impl Signal {
    pub(super) fn set(&self) {
        self.is_set.store(true, Ordering::Relaxed);
        self.waiting.cancel();
    }

    pub(super) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Relaxed)
    }

    /// Waits until it is set.
    pub(super) async fn wait(&self) {
        self.waiting.cancelled().await;
    }
}
