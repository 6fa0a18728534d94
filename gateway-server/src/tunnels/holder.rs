//! Another replica, as one that has tunnels of a certain cluster.

use std::sync::Arc;

use super::{Peer, signal::Signal};

/// A replica that has tunnels of a cluster. A pipe keeps the clone that it was opened with.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(super) peer: Arc<Peer>,
    /// Set when the tunnel of a pipe that was opened with this clone may drain.
    retired: Arc<Signal>,
}

impl Holder {
    pub(super) fn new(peer: &Arc<Peer>) -> Self {
        Self {
            peer: Arc::clone(peer),
            retired: Arc::default(),
        }
    }

    pub(super) fn is(&self, peer: &Arc<Peer>) -> bool {
        Arc::ptr_eq(&self.peer, peer)
    }

    /// New requests should use other pipes than those that were opened before now.
    pub(super) fn retire_pipes(&mut self) {
        std::mem::take(&mut self.retired).set();
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.is_set()
    }

    /// Waits until new requests should use another pipe.
    pub(super) async fn retired(&self) {
        self.retired.wait().await;
    }
}
