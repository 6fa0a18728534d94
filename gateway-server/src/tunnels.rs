//! The tunnels of each managed cluster: those that agents keep open to this replica, and those of
//! the other replicas, which pass pipes on. This module adds and removes them, and opens pipes
//! through them.

mod dialer;
mod entry;
mod handover;
mod holder;
pub(crate) mod identity;
mod peer;
mod pipe;
mod signal;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crds::ClusterName;
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::watch,
    time::{sleep, timeout_at},
};
use tunnel::{Budget, OpenError, Session, Share, Stream, Target, WeakBudget};

pub(crate) use self::{
    dialer::{TunnelDialer, TunnelError},
    holder::Holder,
    peer::{Peer, parse_passed},
    pipe::{Carrier, Pipe},
};
use self::{entry::Entry, handover::Handovers};

/// The pause before a pipe looks for a tunnel again.
const AGAIN: Duration = Duration::from_millis(20);

/// All tunnels that this replica can use. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Tunnels(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clusters: RwLock<HashMap<ClusterName, Arc<Entry>>>,
    process: Budget,
    per_cluster: usize,
    /// The one budget of each cluster, for as long as anybody has it.
    budgets: Mutex<Budgets>,
    /// Signals that the set of clusters with a tunnel to this replica may have changed.
    held: watch::Sender<()>,
    /// Signals that a cluster may have a tunnel that it had not.
    came: watch::Sender<()>,
    handovers: Handovers,
    /// The clusters whose agents last came without the upgrade that they ask for.
    stripped: RwLock<HashSet<ClusterName>>,
    /// Counts the tunnels to this replica that have drained.
    drained: AtomicU64,
}

/// The budgets of all clusters, and some that are gone.
#[derive(Debug, Default)]
struct Budgets {
    of: HashMap<ClusterName, WeakBudget>,
    /// When there are so many, those that are gone are removed.
    most: usize,
}

impl Budgets {
    fn add(&mut self, cluster: &ClusterName, budget: &Budget) {
        if self.of.len() >= self.most {
            self.of.retain(|_, budget| !budget.is_gone());
            self.most = 64 + 2 * self.of.len();
        }
        self.of.insert(cluster.clone(), budget.downgrade());
    }
}

impl Tunnels {
    /// No tunnels yet. Both numbers are bytes: they bound what peers can make this process hold, in
    /// all and for each cluster.
    pub(crate) fn new(process: usize, per_cluster: usize) -> Self {
        let process = Budget::new(process);
        Self(Arc::new(Inner {
            clusters: RwLock::default(),
            process,
            per_cluster,
            budgets: Mutex::default(),
            held: watch::Sender::default(),
            came: watch::Sender::default(),
            handovers: Handovers::default(),
            stripped: RwLock::default(),
            drained: AtomicU64::new(0),
        }))
    }

    /// The budget that all pipes of this process are charged to.
    pub(crate) fn process_budget(&self) -> &Budget {
        &self.0.process
    }

    /// The budget that pipes of `cluster` are charged to. There is one, however many of its agents
    /// connect, and how often.
    pub(crate) fn budget(&self, cluster: &ClusterName) -> Budget {
        let mut budgets = self.0.budgets.lock();
        let known = budgets.of.get(cluster).and_then(WeakBudget::upgrade);
        known.unwrap_or_else(|| {
            let budget = self.0.process.part(self.0.per_cluster);
            budgets.add(cluster, &budget);
            budget
        })
    }

    /// Adds a session of `cluster`, which comes by WebSocket if there is a reason for that. The budget
    /// is used if it is the cluster's first session.
    pub(crate) fn add(
        &self,
        cluster: &ClusterName,
        session: Session,
        budget: Budget,
        detour: Option<Arc<str>>,
    ) {
        let mut clusters = self.0.clusters.write();
        let entry = clusters
            .entry(cluster.clone())
            .or_insert_with(|| Arc::new(Entry::new(budget)));
        entry.add(session, detour);
        drop(clusters);
        self.0.stripped.write().remove(cluster);
        self.0.held.send_replace(());
        self.0.came.send_replace(());
    }

    /// A tunnel of `cluster` was asked to go to another replica, because this one shuts down.
    pub(crate) fn hand_over(&self, cluster: &ClusterName) {
        self.0.handovers.begin(cluster);
    }

    /// Waits until `cluster` may have a tunnel again, for as long as its agent may be on its way. False if
    /// it is not.
    async fn comes_again(&self, cluster: &ClusterName) -> bool {
        let Some(until) = self.0.handovers.until(cluster) else {
            return false;
        };
        let mut came = self.0.came.subscribe();
        let is_attached = || self.entry(cluster).is_some_and(|it| it.is_attached());
        // A replica may say that it has a tunnel just before it says that it has none.
        let came = async {
            sleep(AGAIN).await;
            while !is_attached() && came.changed().await.is_ok() {}
        };
        timeout_at(until, came).await.is_ok()
    }

    /// An agent of `cluster`, which is known, came without the upgrade that it asks for.
    pub(crate) fn strip(&self, cluster: &ClusterName) {
        self.0.stripped.write().insert(cluster.clone());
    }

    fn is_stripped(&self, cluster: &ClusterName) -> bool {
        self.0.stripped.read().contains(cluster)
    }

    /// The cluster is gone.
    pub(crate) fn forget(&self, cluster: &ClusterName) {
        self.0.stripped.write().remove(cluster);
    }

    /// Removes a session of `cluster`.
    pub(crate) fn remove(&self, cluster: &ClusterName, session: &Session) {
        let mut clusters = self.0.clusters.write();
        if let Some(entry) = clusters.get(cluster)
            && entry.remove(session)
            && entry.peers.read().is_empty()
        {
            clusters.remove(cluster);
        }
        drop(clusters);
        self.0.held.send_replace(());
    }

    /// Makes the other replicas open no more pipes through a session of `cluster`, and replace
    /// those that they have, as soon as it opens no more pipes.
    pub(crate) async fn tell_drain(&self, cluster: &ClusterName, session: &Session) -> Infallible {
        session.closing().await;
        if let Some(entry) = self.entry(cluster) {
            let number = self.0.drained.fetch_add(1, Ordering::Relaxed) + 1;
            entry.drained.store(number, Ordering::Relaxed);
        }
        self.0.held.send_replace(());
        pending().await
    }

    /// The clusters with a tunnel to this replica, and the number of the last one that drained.
    pub(crate) fn held(&self) -> BTreeMap<ClusterName, u64> {
        let clusters = self.0.clusters.read();
        let held = clusters.iter().filter(|(_, entry)| entry.is_held());
        let drained = |entry: &Entry| entry.drained.load(Ordering::Relaxed);
        held.map(|(cluster, entry)| (cluster.clone(), drained(entry)))
            .collect()
    }

    /// Whether a tunnel of `cluster` to this replica takes pipes, and answers.
    fn hold(&self, cluster: &ClusterName) -> bool {
        self.entry(cluster)
            .is_some_and(|entry| entry.sessions.answer())
    }

    /// Whether a tunnel of `cluster`, here or at another replica, takes pipes, and answers as far as
    /// this replica knows.
    fn answer(&self, cluster: &ClusterName) -> bool {
        self.entry(cluster)
            .is_some_and(|entry| entry.sessions.answer() || !entry.peers().is_empty())
    }

    /// Waits until a tunnel of `cluster` to this replica takes pipes.
    async fn come_here(&self, cluster: &ClusterName) {
        let mut held = self.changes();
        while !self.hold(cluster) {
            if held.changed().await.is_err() {
                return;
            }
        }
    }

    /// A receiver that is marked as changed when [`Self::held`] may have changed.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.held.subscribe()
    }

    /// A replica says that it has a tunnel of `cluster`.
    pub(crate) fn peer_holds(&self, peer: &Arc<Peer>, cluster: ClusterName) {
        let mut clusters = self.0.clusters.write();
        let entry = clusters
            .entry(cluster)
            .or_insert_with_key(|cluster| Arc::new(Entry::new(self.budget(cluster))));
        let mut peers = entry.peers.write();
        if !peers.iter().any(|known| known.is(peer)) {
            peers.push(Holder::new(peer));
        }
        self.0.came.send_replace(());
    }

    /// A replica says that one of its tunnels of `cluster` drains.
    pub(crate) fn peer_tunnel_drains(&self, peer: &Arc<Peer>, cluster: &ClusterName) {
        if let Some(entry) = self.entry(cluster) {
            let mut peers = entry.peers.write();
            let known = peers.iter_mut().filter(|known| known.is(peer));
            known.for_each(Holder::retire_pipes);
        }
    }

    /// A replica says that it has no tunnel of `cluster` any more.
    pub(crate) fn peer_lacks(&self, peer: &Arc<Peer>, cluster: &ClusterName) {
        if peer.is_draining() {
            self.0.handovers.begin(cluster);
        }
        let mut clusters = self.0.clusters.write();
        if clusters
            .get(cluster)
            .is_some_and(|entry| entry.let_go(peer))
        {
            clusters.remove(cluster);
        }
    }

    /// Forgets everything that a replica has said.
    pub(crate) fn forget_peer(&self, peer: &Arc<Peer>) {
        let mut clusters = self.0.clusters.write();
        clusters.retain(|_, entry| !entry.let_go(peer));
    }

    /// Opens a pipe to `target` in `cluster` through a tunnel to this replica, never through
    /// another replica.
    pub(crate) async fn open_here(
        &self,
        cluster: &ClusterName,
        target: &Target,
        share: Share,
    ) -> Result<Stream, OpenError> {
        let entry = self.entry(cluster).ok_or(OpenError::Closing)?;
        let budget = entry.budget.sharing(share);
        entry.sessions.open_for(target, &budget).await
    }

    /// The other replicas that may take pipes to `cluster`.
    #[cfg(test)]
    pub(crate) fn peers_of(&self, cluster: &ClusterName) -> Vec<Arc<Peer>> {
        let entry = self.entry(cluster);
        let holders = entry.map(|entry| entry.peers()).unwrap_or_default();
        holders.into_iter().map(|holder| holder.peer).collect()
    }

    fn entry(&self, cluster: &ClusterName) -> Option<Arc<Entry>> {
        self.0.clusters.read().get(cluster).map(Arc::clone)
    }
}

impl PartialEq for Tunnels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tunnels {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_that_attach_at_the_same_time_share_one_budget() {
        let tunnels = Tunnels::new(100, 10);
        let (one, other) = ("managed1".parse().unwrap(), "managed2".parse().unwrap());
        let (first, second) = (tunnels.budget(&one), tunnels.budget(&one));
        let held = first.charge(6).unwrap();
        assert!(second.charge(6).is_none());
        assert!(tunnels.budget(&other).charge(6).is_some());
        drop((first, second));
        // What is held still counts.
        assert_eq!(tunnels.budget(&one).used(), 6);
        drop(held);
        for number in 0..1000 {
            let _gone = tunnels.budget(&format!("c{number}").parse().unwrap());
        }
        assert!(tunnels.0.budgets.lock().of.len() <= 64);
    }
}
