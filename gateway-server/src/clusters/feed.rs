//! Managed clusters as `clustergateways` shows them. Each change gets a revision, and the last
//! changes are kept for watches. The feed looks for changes when somebody asks, because most of
//! them, such as those of health, are not announced. No I/O, no clock.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Weak},
    time::Duration,
};

use crds::{ClusterName, cluster_core::ClusterGateway};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{cluster::Cluster, shown::LiveState, snapshot::Snapshot};

/// Number of changes that are kept, plus one for each cluster.
const KEPT: usize = 1024;
/// The feed looks for changes no more often than this, however many watch.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is shown, and its last changes.
#[derive(Debug)]
pub(super) struct Feed {
    revision: u64,
    /// Changes up to this revision are no longer known.
    oldest: u64,
    shown: BTreeMap<ClusterName, Entry>,
    changes: VecDeque<Change>,
    looked: Option<Instant>,
}

/// A cluster as it was shown last.
#[derive(Debug)]
struct Entry {
    /// Weak, because the connections of a cluster end when it is dropped.
    of: Weak<Cluster>,
    live: LiveState,
    object: Arc<ClusterGateway>,
}

/// A change of one cluster: how it was shown before, and how it is.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) before: Option<Arc<ClusterGateway>>,
    pub(crate) after: Option<Arc<ClusterGateway>>,
}

/// All clusters at one revision, in the order of their names.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) revision: u64,
    pub(crate) objects: Vec<Arc<ClusterGateway>>,
}

/// The changes after a revision are not known: there were too many, or it is another process's
/// revision.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "too old resource version, or one of another gateway-server: {asked}; this one knows the changes after \
     {oldest} up to {newest}: list clustergateways again, and watch from the resourceVersion of that list"
)]
pub(crate) struct Expired {
    asked: u64,
    oldest: u64,
    newest: u64,
}

impl Feed {
    /// Revisions start at the time in nanoseconds, so that processes that started at different
    /// times do not use the same ones.
    pub(super) fn new(begin: Timestamp) -> Self {
        let begin = u64::try_from(begin.as_nanosecond()).unwrap_or_default();
        Self {
            revision: begin,
            oldest: begin,
            shown: BTreeMap::new(),
            changes: VecDeque::new(),
            looked: None,
        }
    }

    /// All clusters as of now.
    pub(super) fn list(&mut self, snapshot: &Snapshot) -> Listed {
        self.look(snapshot);
        let shown = self.shown.values();
        Listed {
            revision: self.revision,
            objects: shown.map(|entry| Arc::clone(&entry.object)).collect(),
        }
    }

    /// One cluster as of now; `None` if it cannot be shown.
    pub(super) fn one(
        &mut self,
        name: &ClusterName,
        cluster: &Arc<Cluster>,
    ) -> Option<Arc<ClusterGateway>> {
        self.look_at(name, cluster);
        let entry = self.shown.get(name)?;
        Some(Arc::clone(&entry.object))
    }

    /// What has changed after a revision.
    pub(super) fn after(
        &mut self,
        revision: u64,
        snapshot: &Snapshot,
        now: Instant,
    ) -> Result<Vec<Change>, Expired> {
        if self.looked.is_none_or(|looked| looked + LOOK_EVERY <= now) {
            self.looked = Some(now);
            self.look(snapshot);
        }
        if !(self.oldest..=self.revision).contains(&revision) {
            return Err(Expired {
                asked: revision,
                oldest: self.oldest,
                newest: self.revision,
            });
        }
        let is_known = |change: &Change| change.revision <= revision;
        let known = self.changes.partition_point(is_known);
        Ok(self.changes.range(known..).cloned().collect())
    }

    fn look(&mut self, snapshot: &Snapshot) {
        let is_gone = |name: &&ClusterName| !snapshot.by_name.contains_key(*name);
        let gone: Vec<_> = self.shown.keys().filter(is_gone).cloned().collect();
        for name in gone {
            self.hide(&name);
        }
        for (name, cluster) in &snapshot.by_name {
            self.look_at(name, cluster);
        }
    }

    fn look_at(&mut self, name: &ClusterName, cluster: &Arc<Cluster>) {
        let live = cluster.live_state();
        let known = self.shown.get(name);
        let same = |known: &Entry| known.of.as_ptr() == Arc::as_ptr(cluster);
        if known.is_some_and(|known| same(known) && known.live == live) {
            return;
        }
        let Some(mut object) = cluster.shown(&live) else {
            self.hide(name);
            return;
        };
        let before = known.map(|known| Arc::clone(&known.object));
        // A newer state of its sources may look the same as the one before.
        let version = before.as_ref().map(|it| &it.metadata.resource_version);
        object.metadata.resource_version = version.cloned().flatten();
        let object = match before {
            Some(before) if *before == object => before,
            before => {
                self.revision += 1;
                object.metadata.resource_version = Some(self.revision.to_string());
                let object = Arc::new(object);
                self.keep(before, Some(Arc::clone(&object)));
                object
            }
        };
        let entry = Entry {
            of: Arc::downgrade(cluster),
            live,
            object,
        };
        self.shown.insert(name.clone(), entry);
    }

    fn hide(&mut self, name: &ClusterName) {
        if let Some(entry) = self.shown.remove(name) {
            self.revision += 1;
            self.keep(Some(entry.object), None);
        }
    }

    fn keep(&mut self, before: Option<Arc<ClusterGateway>>, after: Option<Arc<ClusterGateway>>) {
        self.changes.push_back(Change {
            revision: self.revision,
            before,
            after,
        });
        while self.changes.len() > KEPT + self.shown.len() {
            let forgotten = self.changes.pop_front();
            self.oldest = forgotten.map_or(self.oldest, |change| change.revision);
        }
    }
}

#[cfg(test)]
mod tests;
