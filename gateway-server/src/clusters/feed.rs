//! Managed clusters as `clustergateways` shows them. What is shown depends only on the hub's
//! objects and on what the replicas have told each other, so each replica shows the same at the
//! same revision. The feed looks for changes when somebody asks. No I/O, no clock.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use crds::{ClusterName, cluster_core::ClusterGateway};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    cluster::Cluster,
    fleet::Fleet,
    health::{Decision, LiveState},
    journal::{Changes, History, Journal, LOOK_EVERY, Listed, Unknown, Went, is_settled},
    snapshot::Snapshot,
};

/// What is shown, and its latest changes.
#[derive(Debug, Default)]
pub(super) struct Feed {
    journal: Journal<ClusterGateway>,
    /// What each object that is shown was made from.
    made: BTreeMap<ClusterName, Made>,
    /// Clusters that are missing from the snapshot but still shown, and since when they are
    /// missing.
    leaving: BTreeMap<ClusterName, Instant>,
    pub(super) fleet: Fleet,
    looked: Option<Instant>,
}

/// What a shown object was made from.
#[derive(Debug)]
struct Made {
    /// Weak, because the connections of a cluster end when it is dropped.
    of: Weak<Cluster>,
    revision: u64,
    state: LiveState,
}

impl Made {
    fn is(&self, cluster: &Arc<Cluster>, revision: u64, state: &LiveState) -> bool {
        self.is_of(cluster) && self.revision == revision && self.state == *state
    }

    fn is_of(&self, cluster: &Arc<Cluster>) -> bool {
        self.of.as_ptr() == Arc::as_ptr(cluster)
    }
}

impl Feed {
    /// The hub has reached this revision.
    pub(super) fn reach(&mut self, revision: u64, now: Instant) {
        self.journal.reach(revision, now);
    }

    /// The newest revision that the hub is known to have reached.
    pub(super) fn newest(&self) -> u64 {
        self.journal.newest()
    }

    /// All clusters, with what this replica sees of them now, even if no decision on it is taken
    /// yet.
    pub(super) fn list(&mut self, snapshot: &Snapshot, now: Instant) -> Listed {
        self.look(snapshot, now);
        let objects = self.journal.objects().map(|(name, object)| {
            let cluster = snapshot.by_name.get(name);
            cluster.map_or_else(
                || Arc::clone(object),
                |cluster| self.fresh(name, cluster, object),
            )
        });
        self.journal.listed(objects.collect())
    }

    /// When the latest change came, which may not be taken in yet.
    pub(super) fn last_came(&self, snapshot: &Snapshot) -> Option<Instant> {
        let decided = self.fleet.last_came();
        snapshot.came.filter(|_| snapshot.complete).max(decided)
    }

    /// One cluster as it is now; `None` if it cannot be shown.
    pub(super) fn one(
        &mut self,
        name: &ClusterName,
        cluster: &Arc<Cluster>,
    ) -> Option<Arc<ClusterGateway>> {
        self.fleet.see(name, cluster.view());
        let made = self.made.get(name).filter(|made| made.is_of(cluster));
        if let Some(object) = made.and_then(|_| self.journal.get(name)) {
            return Some(self.fresh(name, cluster, object));
        }
        let state = self.fleet.state(name)?;
        let decided = &self.fleet.decided(name)?.decision;
        let revision = decided.revision.max(cluster.written.revision);
        let mut object = cluster.shown(state, decided)?;
        object.metadata.resource_version = Some(revision.to_string());
        Some(Arc::new(object))
    }

    /// Continues a watch that has seen everything up to a revision, at this replica or another one.
    /// Returns the changes that it must be told, some of them perhaps again.
    pub(super) fn resume(
        &mut self,
        revision: u64,
        snapshot: &Snapshot,
        now: Instant,
    ) -> Result<Changes, Unknown> {
        self.look(snapshot, now);
        self.journal.resume(revision)
    }

    /// What has changed after a position.
    pub(super) fn after(
        &mut self,
        position: u64,
        snapshot: &Snapshot,
        now: Instant,
    ) -> Result<Changes, Unknown> {
        if self.looked.is_none_or(|looked| looked + LOOK_EVERY <= now) {
            self.look(snapshot, now);
        }
        self.journal.after(position)
    }

    /// Takes in a cluster that another replica says was removed.
    pub(super) fn hear_gone(&mut self, went: Went) {
        if self.journal.get(&went.cluster).is_none() {
            self.journal.gone.hear(went);
        }
    }

    /// Another replica has reported all clusters that were removed after that revision.
    pub(super) fn hear_oldest(&mut self, revision: u64) {
        self.journal.gone.hear_oldest(revision);
    }

    /// The clusters that were removed, and the revision after which all removals are known.
    pub(super) fn history(&self) -> History {
        let gone = &self.journal.gone;
        History {
            oldest: self.journal.is_started().then(|| gone.oldest()),
            gone: gone.all(),
        }
    }

    fn look(&mut self, snapshot: &Snapshot, now: Instant) {
        self.looked = Some(now);
        self.refresh(snapshot, now);
    }

    /// Takes in what this replica sees of each cluster. Returns true if this replica must take a
    /// decision.
    pub(super) fn see(&mut self, snapshot: &Snapshot) -> bool {
        for (name, cluster) in &snapshot.by_name {
            self.fleet.see(name, cluster.view());
        }
        self.fleet.look()
    }

    /// Brings what is shown up to date.
    pub(super) fn refresh(&mut self, snapshot: &Snapshot, now: Instant) {
        self.journal.refresh(now);
        let is_gone = |name: &&ClusterName| !snapshot.by_name.contains_key(*name);
        let gone: Vec<_> = self.made.keys().filter(is_gone).cloned().collect();
        self.leaving.retain(|name, _| is_gone(&name));
        for name in gone {
            // It was removed no later than the first snapshot without it came.
            let came = snapshot.came.unwrap_or(now);
            let came = *self.leaving.entry(name.clone()).or_insert(came);
            if is_settled(came, now) {
                self.leaving.remove(&name);
                self.hide(&name, came);
            }
        }
        for (name, cluster) in &snapshot.by_name {
            self.look_at(name, cluster, now);
        }
        if snapshot.complete {
            self.journal.start();
        }
    }

    /// Takes the decisions that are due, at that revision of the hub.
    pub(super) fn decide(&mut self, revision: u64, now: Instant, time: Timestamp) {
        let Self { fleet, made, .. } = self;
        let newest = fleet.decide(revision, (now, time), |name| {
            made.get(name).map_or(0, |it| it.revision)
        });
        // At once, because the next write on the hub can have this revision too.
        self.reach(newest, now);
    }

    /// Takes in what another replica has decided.
    pub(super) fn adopt(&mut self, cluster: ClusterName, decision: Decision, now: Instant) {
        let revision = decision.revision;
        if self.fleet.adopt(cluster, decision, now) {
            self.reach(revision, now);
        }
    }

    /// When somebody last asked for a list or for changes.
    pub(super) fn looked(&self) -> Option<Instant> {
        self.looked
    }

    fn look_at(&mut self, name: &ClusterName, cluster: &Arc<Cluster>, now: Instant) {
        self.fleet.see(name, cluster.view());
        let decided = self.fleet.decided(name).expect("it was seen");
        let decision = decided.decision;
        let written = cluster.written;
        let known = self.made.get(name);
        // A decision does not delay that a new cluster is shown; its revision counts when it is settled.
        let is_early = |at| known.is_none() && !is_settled(at, now);
        let came = decided.came.filter(|at| !is_early(*at));
        let revision = came.map_or(0, |_| decision.revision);
        let revision = revision.max(written.revision);
        let came = came.map_or(written.came, |at| at.max(written.came));
        if self.journal.is_started() && !is_settled(came, now) {
            return;
        }
        if known.is_some_and(|known| known.is(cluster, revision, &decision.state)) {
            return;
        }
        self.journal.reach(revision, came);
        let Some(object) = cluster.shown(&decision.state, decision) else {
            self.hide(name, came);
            return;
        };
        let made = Made {
            of: Arc::downgrade(cluster),
            revision,
            state: decision.state.clone(),
        };
        self.made.insert(name.clone(), made);
        self.journal.put(name, object, revision, came);
    }

    fn hide(&mut self, name: &ClusterName, came: Instant) {
        self.fleet.forget(name);
        self.made.remove(name);
        self.journal.hide(name, came);
    }

    /// The object with what the replicas see now, even if no decision on it is taken yet.
    fn fresh(
        &self,
        name: &ClusterName,
        cluster: &Arc<Cluster>,
        object: &Arc<ClusterGateway>,
    ) -> Arc<ClusterGateway> {
        let shown = self.made.get(name).map(|made| &made.state);
        let state = self.fleet.state(name).filter(|it| Some(*it) != shown);
        let decided = self.fleet.decided(name).map(|it| Arc::clone(it.decision));
        let decided = decided.unwrap_or_default();
        let fresh = state.and_then(|state| cluster.shown(state, &decided));
        fresh.map_or_else(
            || Arc::clone(object),
            |mut fresh| {
                let version = object.metadata.resource_version.clone();
                fresh.metadata.resource_version = version;
                Arc::new(fresh)
            },
        )
    }
}

#[cfg(test)]
mod tests;
