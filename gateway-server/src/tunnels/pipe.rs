//! A pipe to a managed cluster, and what carries it.

use std::sync::Arc;

use tokio::select;
use tunnel::{Session, Stream};

use super::Peer;

/// A pipe, and what it goes through.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) stream: Stream,
    pub(crate) carrier: Carrier,
}

/// The tunnel that a pipe goes through, and the replica if it is another one's.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    session: Session,
    peer: Option<Arc<Peer>>,
}

impl Pipe {
    pub(super) fn here(stream: Stream) -> Self {
        let carrier = Carrier {
            session: stream.session(),
            peer: None,
        };
        Self { stream, carrier }
    }

    pub(super) fn through(peer: &Arc<Peer>, stream: Stream) -> Self {
        let carrier = Carrier {
            session: stream.session(),
            peer: Some(Arc::clone(peer)),
        };
        Self { stream, carrier }
    }
}

impl Carrier {
    /// The other replica that it goes through, if it does.
    #[cfg(test)]
    pub(crate) fn replica(&self) -> Option<&tunnel::ReplicaId> {
        self.peer.as_ref().map(|peer| &peer.id)
    }

    /// Waits until it is about to go.
    pub(crate) async fn retired(&self) {
        match &self.peer {
            None => self.session.closing().await,
            Some(peer) => select! {
                () = self.session.closing() => {}
                () = peer.draining() => {}
            },
        }
    }

    /// Whether it is about to go: what has not begun yet takes another pipe.
    pub(crate) fn is_retiring(&self) -> bool {
        self.session.is_closing() || self.peer.as_ref().is_some_and(|peer| peer.is_draining())
    }
}
