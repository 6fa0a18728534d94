//! The health of all clusters: how each replica sees it, and how all of them show it. The replica
//! whose view counts decides what is shown of a cluster, and the others adopt the decision with the
//! newest revision. If that replica does not decide, because it is gone, another one does. Pure.

use std::{collections::BTreeMap, sync::Arc};

use crds::ClusterName;
use jiff::Timestamp;
use tokio::time::Instant;
use tunnel::ReplicaId;

use super::health::{Decision, LiveState, View, best};

/// How often in a row another replica may be found not to have decided yet, before this one decides
/// in its place.
const PATIENCE: u8 = 3;

/// The largest number of clusters that other replicas can make this one remember.
const MAX_CLUSTERS: usize = 64 << 10;

/// What is known of the health of each cluster.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    known: BTreeMap<ClusterName, Known>,
    /// Counts the changes of what other replicas are told.
    changes: u64,
    last_came: Option<Instant>,
}

/// The decision on one cluster, and when it came here.
#[derive(Debug)]
pub(super) struct Decided<'a> {
    pub(super) decision: &'a Arc<Decision>,
    pub(super) came: Option<Instant>,
}

/// What is known of the health of one cluster.
#[derive(Debug, Default)]
struct Known {
    /// Whether this replica knows the cluster itself. Otherwise it tells nobody about it.
    is_seen: bool,
    own: Arc<View>,
    others: BTreeMap<ReplicaId, View>,
    decision: Arc<Decision>,
    /// When the decision came here.
    came: Option<Instant>,
    /// How often in a row the decision differed from the view that counts.
    overdue: u8,
}

/// What this replica tells the others about one cluster.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Sighting {
    pub(crate) view: Arc<View>,
    pub(crate) decision: Arc<Decision>,
}

impl Fleet {
    /// Takes in what this replica sees now. Returns true if that has changed.
    pub(super) fn see(&mut self, cluster: &ClusterName, view: View) -> bool {
        let known = match self.known.get_mut(cluster) {
            Some(known) if known.is_seen && *known.own == view => return false,
            Some(known) => known,
            None => self.known.entry(cluster.clone()).or_default(),
        };
        known.is_seen = true;
        known.own = Arc::new(view);
        self.changes += 1;
        true
    }

    /// Takes in what another replica sees.
    pub(super) fn hear(&mut self, replica: &ReplicaId, cluster: ClusterName, view: View) {
        if let Some(known) = self.entry(cluster) {
            known.others.insert(replica.clone(), view);
        }
    }

    /// Takes in what another replica has decided. Returns true if that is news.
    pub(super) fn adopt(&mut self, cluster: ClusterName, decision: Decision, now: Instant) -> bool {
        if let Some(known) = self.entry(cluster)
            && decision.supersedes(&known.decision)
        {
            known.decide(decision, now);
            self.last_came = Some(now);
            return true;
        }
        false
    }

    /// The entry of a cluster, which is created if needed, because other replicas may know a
    /// cluster a moment earlier.
    fn entry(&mut self, cluster: ClusterName) -> Option<&mut Known> {
        if self.known.len() >= MAX_CLUSTERS && !self.known.contains_key(&cluster) {
            return None;
        }
        Some(self.known.entry(cluster).or_default())
    }

    /// Forgets what another replica saw, because it is gone.
    pub(super) fn lose(&mut self, replica: &ReplicaId) {
        for known in self.known.values_mut() {
            known.others.remove(replica);
        }
        self.known
            .retain(|_, known| known.is_seen || !known.others.is_empty());
    }

    /// Forgets a cluster that was removed.
    pub(super) fn forget(&mut self, cluster: &ClusterName) {
        self.known.remove(cluster);
        self.changes += 1;
    }

    /// The decision on a cluster.
    pub(super) fn decided(&self, cluster: &ClusterName) -> Option<Decided<'_>> {
        self.known.get(cluster).map(|known| Decided {
            decision: &known.decision,
            came: known.came,
        })
    }

    /// When the latest decision came.
    pub(super) fn last_came(&self) -> Option<Instant> {
        self.last_came
    }

    /// The state in the view that counts.
    pub(super) fn state(&self, cluster: &ClusterName) -> Option<&LiveState> {
        self.known.get(cluster).map(Known::state)
    }

    /// Finds the decisions that are due. Returns true if this replica must take some.
    pub(super) fn look(&mut self) -> bool {
        let mut due = false;
        for known in self.known.values_mut().filter(|known| known.is_seen) {
            known.look();
            due |= known.is_due();
        }
        due
    }

    /// Takes the decisions that are due, at that revision of the hub. If it is not newer than what
    /// is `shown` already, they get the revision after that. Returns the newest of their revisions.
    pub(super) fn decide(
        &mut self,
        revision: u64,
        (now, time): (Instant, Timestamp),
        shown: impl Fn(&ClusterName) -> u64,
    ) -> u64 {
        let mut newest = 0;
        for (cluster, known) in self.known.iter_mut().filter(|(_, known)| known.is_due()) {
            self.changes += 1;
            known.overdue = 0;
            let shown = known.decision.revision.max(shown(cluster));
            let revision = revision.max(shown + 1);
            newest = newest.max(revision);
            let state = known.state().clone();
            let decision = known.decision.next(revision, state, time.as_second());
            known.decide(decision, now);
            self.last_came = Some(now);
        }
        newest
    }

    /// A number that changes whenever what other replicas are told changes.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// What other replicas are told.
    pub(super) fn sightings(&self) -> BTreeMap<ClusterName, Sighting> {
        let sighting = |known: &Known| Sighting {
            view: Arc::clone(&known.own),
            decision: Arc::clone(&known.decision),
        };
        let seen = self.known.iter().filter(|(_, known)| known.is_seen);
        seen.map(|(cluster, known)| (cluster.clone(), sighting(known)))
            .collect()
    }
}

impl Known {
    fn decide(&mut self, decision: Decision, now: Instant) {
        self.decision = Arc::new(decision);
        self.came = Some(now);
    }

    /// The state in the view that counts. If no replica sees the health any more, the state that is
    /// shown stays.
    fn state(&self) -> &LiveState {
        let views = self.others.values().chain([&*self.own]);
        let seen = &best(views).expect("its own is one").state;
        if seen.health.is_none() && self.decision.state.health.is_some() {
            &self.decision.state
        } else {
            seen
        }
    }

    fn look(&mut self) {
        self.overdue = if self.is_as_decided() {
            0
        } else if self.counts() {
            PATIENCE
        } else {
            (self.overdue + 1).min(PATIENCE)
        };
    }

    /// Needs no decision if nothing was ever seen of the cluster: then what is shown follows from
    /// its sources.
    fn is_as_decided(&self) -> bool {
        let state = self.state();
        let was_never_seen = self.decision.revision == 0 && state.health.is_none();
        was_never_seen || *state == self.decision.state
    }

    fn is_due(&self) -> bool {
        self.overdue >= PATIENCE
    }

    /// Whether this replica's view is the one that counts.
    fn counts(&self) -> bool {
        best(self.others.values()).is_none_or(|other| *other <= *self.own)
    }
}

#[cfg(test)]
mod tests;
