//! Clusters as `virtualclusters` shows them: all that the hub knows, whether or not the gateway can
//! reach them, and the hub itself. What is shown depends on the hub's objects only. Replicas tell each
//! other nothing about it, so a watch that comes from a replica that is older than this one lists
//! again. No I/O, no clock.

use std::{collections::BTreeMap, sync::Arc};

use crds::{
    ClusterName,
    cluster_core::{LOCAL_CLUSTER, VirtualCluster},
};
use tokio::time::Instant;

use super::{
    journal::{Changes, Journal, LOOK_EVERY, Listed, Unknown, is_same, is_settled},
    virtual_cluster,
};

/// The revision of the hub itself, which never changes. It is none that the hub has reached here.
const LOCAL_REVISION: u64 = 1;

/// What is shown, its latest changes, and those that are not taken in yet.
#[derive(Debug)]
pub(super) struct Catalog {
    journal: Journal<VirtualCluster>,
    /// At most one for each cluster.
    pending: BTreeMap<ClusterName, Pending>,
    last_came: Option<Instant>,
    looked: Option<Instant>,
    /// Whether every source has been listed.
    is_complete: bool,
}

/// A cluster as it will be shown.
#[derive(Debug)]
struct Pending {
    /// `None` if it is gone.
    object: Option<VirtualCluster>,
    revision: u64,
    came: Instant,
}

impl Catalog {
    /// Only the hub itself is in it.
    pub(super) fn new(now: Instant) -> Self {
        let mut journal = Journal::default();
        let name = LOCAL_CLUSTER.parse().expect("it is a DNS label");
        journal.put(&name, virtual_cluster::local(), LOCAL_REVISION, now);
        Self {
            journal,
            pending: BTreeMap::new(),
            last_came: None,
            looked: None,
            is_complete: false,
        }
    }

    /// The hub has reached this revision.
    pub(super) fn reach(&mut self, revision: u64, now: Instant) {
        self.journal.reach(revision, now);
    }

    /// The newest revision that the hub is known to have reached.
    pub(super) fn newest(&self) -> u64 {
        self.journal.newest()
    }

    /// A cluster is like that now. The name of the hub itself cannot be taken.
    pub(super) fn set(
        &mut self,
        name: ClusterName,
        (object, revision): (Option<VirtualCluster>, u64),
        came: Instant,
    ) {
        if name.as_str() == LOCAL_CLUSTER {
            return;
        }
        let pending = Pending {
            object,
            revision,
            came,
        };
        self.last_came = Some(came);
        self.pending.insert(name, pending);
    }

    /// Whether every source has been listed. Once that is so, it stays so.
    pub(super) fn complete(&mut self, is_complete: bool) {
        self.is_complete |= is_complete;
    }

    /// All clusters; `None` until every source has been listed.
    pub(super) fn list(&mut self, now: Instant) -> Option<Listed<VirtualCluster>> {
        self.look(now);
        let objects = self.journal.objects().map(|(_, object)| Arc::clone(object));
        let listed = self.journal.listed(objects.collect());
        self.is_complete.then_some(listed)
    }

    /// One cluster as it is now; `None` if it is not there.
    pub(super) fn one(&mut self, name: &ClusterName, now: Instant) -> Option<Arc<VirtualCluster>> {
        self.refresh(now);
        match self.pending.get(name) {
            Some(pending) => pending.object.clone().map(|mut object| {
                object.metadata.resource_version = Some(pending.revision.to_string());
                Arc::new(object)
            }),
            None => self.journal.get(name).map(Arc::clone),
        }
    }

    /// Whether a cluster that is not in here does not exist.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// When the latest change came, which may not be taken in yet.
    pub(super) fn last_came(&self) -> Option<Instant> {
        self.last_came.filter(|_| self.is_complete)
    }

    /// When somebody last asked for a list or for changes.
    pub(super) fn looked(&self) -> Option<Instant> {
        self.looked
    }

    /// Continues a watch that has seen everything up to a revision.
    pub(super) fn resume(
        &mut self,
        revision: u64,
        now: Instant,
    ) -> Result<Changes<VirtualCluster>, Unknown> {
        self.look(now);
        self.journal.resume(revision)
    }

    /// What has changed after a position.
    pub(super) fn after(
        &mut self,
        position: u64,
        now: Instant,
    ) -> Result<Changes<VirtualCluster>, Unknown> {
        if self.looked.is_none_or(|looked| looked + LOOK_EVERY <= now) {
            self.look(now);
        }
        self.journal.after(position)
    }

    fn look(&mut self, now: Instant) {
        self.looked = Some(now);
        self.refresh(now);
    }

    /// Takes in what has settled.
    pub(super) fn refresh(&mut self, now: Instant) {
        self.journal.refresh(now);
        let due = self
            .pending
            .extract_if(.., |_, it| is_settled(it.came, now));
        let due: Vec<_> = due.collect();
        for (name, pending) in due {
            self.take_in(&name, pending);
        }
        if self.is_complete {
            self.journal.start();
        }
    }

    fn take_in(&mut self, name: &ClusterName, pending: Pending) {
        let Pending {
            object,
            revision,
            came,
        } = pending;
        self.journal.reach(revision, came);
        let Some(object) = object else {
            self.journal.hide(name, came);
            return;
        };
        let known = self.journal.get(name).zip(self.journal.revision_of(name));
        let revision = match known {
            // One of its sources is gone, and those that are left are older. Two states of an object
            // never have one revision.
            Some((known, at)) if revision <= at && !is_same(&**known, &object) => {
                self.journal.newest_at(came).max(at + 1)
            }
            _ => revision,
        };
        self.journal.put(name, object, revision, came);
    }
}

#[cfg(test)]
mod tests;
