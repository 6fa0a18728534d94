//! The tunnels of one managed cluster, and the order in which a pipe tries them.

use std::sync::{Arc, atomic::AtomicU64};

use parking_lot::{Mutex, RwLock};
use tunnel::{Budget, Session, Sessions};

use super::{Holder, Peer};

/// The tunnels of one managed cluster.
#[derive(Debug)]
pub(super) struct Entry {
    /// The tunnels to this replica.
    pub(super) sessions: Sessions,
    /// The number of the last of them that drained.
    pub(super) drained: AtomicU64,
    /// The other replicas that say that they have tunnels of the cluster.
    pub(super) peers: RwLock<Vec<Holder>>,
    pub(super) budget: Budget,
    /// Which sessions come by WebSocket, and why.
    detours: Mutex<Vec<(Session, Arc<str>)>>,
}

/// A way for a pipe.
pub(super) enum Route {
    /// Through a tunnel to this replica.
    Here,
    /// Through another replica.
    Through(Holder),
}

impl Entry {
    pub(super) fn new(budget: Budget) -> Self {
        Self {
            sessions: Sessions::default(),
            drained: AtomicU64::new(0),
            peers: RwLock::default(),
            budget,
            detours: Mutex::default(),
        }
    }

    /// Adds a session, which comes by WebSocket if there is a reason for that.
    pub(super) fn add(&self, session: Session, detour: Option<Arc<str>>) {
        if let Some(why) = detour {
            self.detours.lock().push((session.clone(), why));
        }
        self.sessions.add(session);
    }

    /// Removes a session; true if it was the last one.
    pub(super) fn remove(&self, session: &Session) -> bool {
        self.detours.lock().retain(|(known, _)| !known.is(session));
        self.sessions.remove(session)
    }

    /// Why all sessions come by WebSocket, if they do.
    pub(super) fn detour(&self) -> Option<Arc<str>> {
        let detours = self.detours.lock();
        let (_, why) = detours.last()?;
        (detours.len() >= self.sessions.all().len()).then(|| Arc::clone(why))
    }

    /// Whether a tunnel to this replica takes pipes.
    pub(super) fn is_held(&self) -> bool {
        self.sessions.are_open()
    }

    /// Whether a pipe may open here or at another replica.
    pub(super) fn is_attached(&self) -> bool {
        self.is_held() || self.peers.read().iter().any(|it| it.peer.is_open())
    }

    /// The ways for a pipe, best first: here, unless no tunnel to this replica answers, and then at
    /// most so many other replicas.
    pub(super) fn routes(&self, peers: usize) -> Vec<Route> {
        let peers = self.peers().into_iter().take(peers);
        let mut routes: Vec<_> = peers.map(Route::Through).collect();
        if self.sessions.answer() {
            routes.insert(0, Route::Here);
        } else {
            routes.push(Route::Here);
        }
        routes
    }

    /// The replicas to ask for a pipe, best first: those that are shutting down come last.
    pub(super) fn peers(&self) -> Vec<Holder> {
        let mut peers = self.peers.read().clone();
        peers.retain(|it| it.peer.is_open());
        peers.sort_by_key(|it| (it.peer.is_draining(), it.peer.pipes()));
        peers
    }

    /// Forgets a replica; true if the cluster has no tunnel left.
    pub(super) fn let_go(&self, peer: &Arc<Peer>) -> bool {
        let mut peers = self.peers.write();
        let gone = peers.extract_if(.., |known| known.is(peer));
        gone.for_each(|mut holder| holder.retire_pipes());
        peers.is_empty() && self.sessions.all().is_empty()
    }
}
