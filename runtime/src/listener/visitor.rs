//! One connection, as its listener knows it.
//!
//! ```text
//!  stranger ──proves who it is──► known: stays as long as it likes
//!     ├─ its time is over, or it is asked to leave ──► finishes what it began, for a few seconds ──► cut
//!     └─ others need its place ──► cut
//! ```

use std::{future::pending, net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    select,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::strangers::Strangers;

/// How long a stranger that was asked to leave may take.
const GRACE: Duration = Duration::from_secs(5);

/// One connection of a listener, a stranger at first.
#[derive(Debug)]
pub struct Visitor {
    address: IpAddr,
    strangers: Arc<Strangers>,
    number: u64,
    known: CancellationToken,
    leaves: CancellationToken,
    expelled: CancellationToken,
}

impl Visitor {
    pub(super) fn at(strangers: &Arc<Strangers>, address: IpAddr) -> Arc<Self> {
        let expelled = CancellationToken::new();
        Arc::new(Self {
            address,
            strangers: Arc::clone(strangers),
            number: strangers.enter(address, expelled.clone()),
            known: CancellationToken::new(),
            leaves: CancellationToken::new(),
            expelled,
        })
    }

    /// Where it comes from.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// It has proved who it is, and is no stranger any more.
    pub fn identify(&self) {
        self.known.cancel();
        self.strangers.leave(self.number);
    }

    /// Asks it to leave once it has finished what it has begun.
    pub fn dismiss(&self) {
        self.leaves.cancel();
    }

    /// Waits until it is asked to leave.
    pub async fn dismissed(&self) {
        self.leaves.cancelled().await;
    }

    /// Waits until its connection must be cut.
    pub(super) async fn outstayed(&self, patience: Duration) {
        select! {
            () = self.known.cancelled() => return pending().await,
            () = self.expelled.cancelled() => return,
            // It is dismissed early or when its time is over.
            _ = timeout(patience, self.leaves.cancelled()) => self.leaves.cancel(),
        }
        select! {
            () = self.known.cancelled() => pending().await,
            () = self.expelled.cancelled() => {}
            () = sleep(GRACE) => {}
        }
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.strangers.leave(self.number);
    }
}
