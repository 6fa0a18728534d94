//! Managed clusters as `clustergateways` shows them. What is shown depends only on the hub's
//! objects and on what the replicas have told each other, so each replica shows the same at the
//! same revision. The revision of a shown object is the newest hub revision that it is made from. A
//! position numbers the changes of this process only. A watch that comes from another replica
//! brings a revision, and is told again all changes that came here since a moment before the hub
//! reached that revision. The feed looks for changes when somebody asks. No I/O, no clock.

mod change;
mod entry;
mod gone;
mod reached;

use std::{collections::BTreeMap, ops::Bound, sync::Arc, time::Duration};

use crds::{ClusterName, cluster_core::ClusterGateway};
use jiff::Timestamp;
use tokio::time::Instant;

use self::{
    change::{Births, Step},
    entry::{Entry, Relabelling},
    gone::{Gone, Tombstone},
    reached::Reached,
};
pub(crate) use self::{
    change::{Change, Changes, Listed, Unknown},
    gone::{History, Went},
};
use super::{
    cluster::Cluster,
    fleet::Fleet,
    health::{Decision, LiveState},
    snapshot::Snapshot,
};

/// How often the feed looks for changes at most, however many watches there are.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A change is taken in when it is this old. The hub reports each kind of object in a watch of its
/// own, and within this time it has reported everything that came before. So a client that has seen
/// a revision here has seen everything up to it, and can continue at another replica.
pub(super) const SETTLE: Duration = Duration::from_millis(250);

/// What is shown, and its latest changes.
#[derive(Debug)]
pub(super) struct Feed {
    /// The revisions that the hub is known to have reached.
    reached: Reached,
    position: u64,
    shown: BTreeMap<ClusterName, Entry>,
    /// The position of the last change of each cluster that is shown.
    changed: BTreeMap<u64, ClusterName>,
    gone: Gone,
    /// Clusters that are missing from the snapshot but still shown, and since when they are
    /// missing.
    leaving: BTreeMap<ClusterName, Instant>,
    pub(super) fleet: Fleet,
    looked: Option<Instant>,
    /// When the latest changes were taken in.
    refreshed: Option<Instant>,
    /// Whether all sources have been listed once. What was in these first lists counts as old.
    is_started: bool,
}

impl Feed {
    pub(super) fn new() -> Self {
        Self {
            reached: Reached::default(),
            position: 0,
            shown: BTreeMap::new(),
            changed: BTreeMap::new(),
            gone: Gone::default(),
            leaving: BTreeMap::new(),
            fleet: Fleet::default(),
            looked: None,
            refreshed: None,
            is_started: false,
        }
    }

    /// The hub has reached this revision.
    pub(super) fn reach(&mut self, revision: u64, now: Instant) {
        self.reached.reach(revision, now);
    }

    /// The newest revision that the hub is known to have reached.
    pub(super) fn newest(&self) -> u64 {
        self.reached.newest()
    }

    /// All clusters, with what this replica sees of them now, even if no decision on it is taken
    /// yet.
    pub(super) fn list(&mut self, snapshot: &Snapshot, now: Instant) -> Listed {
        self.look(snapshot, now);
        let objects = self.shown.iter().map(|(name, entry)| {
            let cluster = snapshot.by_name.get(name);
            cluster.map_or_else(
                || Arc::clone(&entry.object),
                |cluster| self.fresh(name, cluster, entry),
            )
        });
        Listed {
            objects: objects.collect(),
            revision: self.settled(),
            position: self.position,
        }
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
        match self.shown.get(name) {
            Some(entry) if entry.of.as_ptr() == Arc::as_ptr(cluster) => {
                Some(self.fresh(name, cluster, entry))
            }
            _ => {
                let state = self.fleet.state(name)?.clone();
                let decided = self.fleet.decided(name)?.decision.revision;
                let revision = decided.max(cluster.written.revision);
                self.made(name, cluster, &state, revision).map(Arc::new)
            }
        }
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
        let newest = self.newest();
        if revision > newest {
            return Err(Unknown::TooNew {
                asked: revision,
                newest,
            });
        }
        let oldest = self.gone.oldest();
        if revision < oldest {
            return Err(Unknown::TooOld {
                asked: revision,
                oldest,
            });
        }
        let known = self.reached.moment_of(revision);
        let is_wanted = |step: Step| match (step.at, known) {
            // The revision is older than this replica, so only the revisions of the hub can be
            // compared.
            (_, None) => step.revision > revision,
            (None, Some(_)) => false,
            // Not by revision: while the hub stands still, a decision and the next write have the same.
            (Some(at), Some(known)) => at > known,
        };
        Ok(self.changes(is_wanted, Births::Any))
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
        if position < self.gone.forgotten() {
            let oldest = self.gone.oldest();
            return Err(Unknown::TooOld {
                asked: oldest.saturating_sub(1),
                oldest,
            });
        }
        // A cluster that was created and removed since then was never shown to this watch.
        let births = Births::UpTo(position);
        let is_wanted = |step: Step| step.position > position;
        Ok(self.changes(is_wanted, births))
    }

    /// Takes in a cluster that another replica says was removed.
    pub(super) fn hear_gone(&mut self, went: Went) {
        if !self.shown.contains_key(&went.cluster) {
            self.gone.hear(went);
        }
    }

    /// Another replica has reported all clusters that were removed after that revision.
    pub(super) fn hear_oldest(&mut self, revision: u64) {
        self.gone.hear_oldest(revision);
    }

    /// The clusters that were removed, and the revision after which all removals are known.
    pub(super) fn history(&self) -> History {
        History {
            oldest: self.is_started.then(|| self.gone.oldest()),
            gone: self.gone.all(),
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
        self.refreshed = Some(now);
        let is_gone = |name: &&ClusterName| !snapshot.by_name.contains_key(*name);
        let gone: Vec<_> = self.shown.keys().filter(is_gone).cloned().collect();
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
        if snapshot.complete && !std::mem::replace(&mut self.is_started, true) {
            self.gone.begin(self.settled());
        }
    }

    /// Takes the decisions that are due, at that revision of the hub.
    pub(super) fn decide(&mut self, revision: u64, now: Instant, time: Timestamp) {
        let Self { fleet, shown, .. } = self;
        let newest = fleet.decide(revision, (now, time), |name| {
            shown.get(name).map_or(0, |it| it.revision)
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
        let decision = &decided.decision;
        let written = cluster.written;
        let known = self.shown.get(name);
        // A decision does not delay that a new cluster is shown; its revision counts when it is settled.
        let is_early = |at| known.is_none() && !is_settled(at, now);
        let decided = decided.came.filter(|at| !is_early(*at));
        let revision = decided.map_or(0, |_| decision.revision);
        let revision = revision.max(written.revision);
        let came = decided.map_or(written.came, |at| at.max(written.came));
        if self.is_started && !is_settled(came, now) {
            return;
        }
        if known.is_some_and(|known| {
            known.of.as_ptr() == Arc::as_ptr(cluster)
                && known.revision == revision
                && known.state == decision.state
        }) {
            return;
        }
        let state = decision.state.clone();
        self.reached.reach(revision, came);
        let Some(object) = self.made(name, cluster, &state, revision) else {
            self.hide(name, came);
            return;
        };
        let of = Arc::downgrade(cluster);
        let step = Step {
            revision,
            position: self.position + 1,
            at: self.is_started.then_some(came),
        };
        if let Some(known) = self.shown.get_mut(name)
            && is_same(&known.object, &object)
        {
            // No watch is told: only the revision of a source has changed.
            known.object = Arc::new(object);
            known.of = of;
            known.revision = revision;
            known.state = state;
            return;
        }
        self.show(
            name,
            Entry {
                of,
                revision,
                state,
                object: Arc::new(object),
                born: step,
                changed: step,
                relabelled: None,
            },
        );
    }

    fn show(&mut self, name: &ClusterName, mut entry: Entry) {
        self.position = entry.changed.position;
        if let Some(known) = self.shown.remove(name) {
            self.changed.remove(&known.changed.position);
            entry.born = known.born;
            entry.relabelled = if known.object.metadata.labels == entry.object.metadata.labels {
                known.relabelled
            } else {
                Some(Relabelling {
                    step: entry.changed,
                    before: known.object,
                })
            };
        }
        self.changed.insert(self.position, name.clone());
        self.shown.insert(name.clone(), entry);
    }

    /// The object in this state and at this revision.
    fn made(
        &self,
        name: &ClusterName,
        cluster: &Cluster,
        state: &LiveState,
        revision: u64,
    ) -> Option<ClusterGateway> {
        let decision = &self.fleet.decided(name)?.decision;
        let mut object = cluster.shown(state, decision)?;
        object.metadata.resource_version = Some(revision.to_string());
        Some(object)
    }

    fn hide(&mut self, name: &ClusterName, came: Instant) {
        self.fleet.forget(name);
        let Some(entry) = self.shown.remove(name) else {
            return;
        };
        self.changed.remove(&entry.changed.position);
        self.position += 1;
        let tombstone = Tombstone {
            last: entry.object,
            born: entry.born.position,
            went: Step {
                // Not the newest one: what else came up to that may not have been told yet.
                revision: self.reached.newest_at(came).max(entry.revision),
                position: self.position,
                at: Some(came),
            },
        };
        self.gone.bury(name.clone(), tombstone, self.shown.len());
    }

    /// The object with what the replicas see now, even if no decision on it is taken yet.
    fn fresh(
        &self,
        name: &ClusterName,
        cluster: &Arc<Cluster>,
        entry: &Entry,
    ) -> Arc<ClusterGateway> {
        let state = self.fleet.state(name).filter(|it| **it != entry.state);
        let decided = self.fleet.decided(name).map(|it| Arc::clone(it.decision));
        let decided = decided.unwrap_or_default();
        let fresh = state.and_then(|state| cluster.shown(state, &decided));
        fresh.map_or_else(
            || Arc::clone(&entry.object),
            |mut object| {
                let version = entry.object.metadata.resource_version.clone();
                object.metadata.resource_version = version;
                Arc::new(object)
            },
        )
    }

    /// The changes that are wanted, in the order of the hub's revisions.
    fn changes(&self, is_wanted: impl Fn(Step) -> bool, births: Births) -> Changes {
        let after = match births {
            Births::Any => 0,
            Births::UpTo(position) => position,
        };
        let beyond = (Bound::Excluded(after), Bound::Unbounded);
        let shown = self
            .changed
            .range(beyond)
            .map(|(_, name)| &self.shown[name]);
        let shown = shown.filter(|entry| is_wanted(entry.changed));
        let shown = shown.map(|entry| (entry.changed.position, entry.change(&is_wanted)));
        let gone = self.gone.changes(&is_wanted, births);
        let mut changes: Vec<_> = shown.chain(gone).collect();
        changes.sort_by_key(|(at, change)| (change.revision, *at));
        Changes {
            all: changes.into_iter().map(|(_, change)| change).collect(),
            position: self.position,
            revision: self.settled(),
        }
    }

    /// The revision up to which all changes are taken in.
    fn settled(&self) -> u64 {
        let settled = |now: Instant| now.checked_sub(SETTLE).unwrap_or(now);
        let moment = self.refreshed.map(settled);
        moment.map_or(0, |moment| self.reached.newest_at(moment))
    }
}

/// Whether two states of an object differ in their revision only.
fn is_same(one: &ClusterGateway, other: &ClusterGateway) -> bool {
    let mut one = one.clone();
    let version = &other.metadata.resource_version;
    one.metadata.resource_version.clone_from(version);
    one == *other
}

fn is_settled(came: Instant, now: Instant) -> bool {
    came + SETTLE <= now
}

#[cfg(test)]
mod tests;
