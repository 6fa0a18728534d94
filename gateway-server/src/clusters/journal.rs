//! What is shown of one kind of object, and its latest changes. The revision of a shown object is the
//! newest hub revision that it is made from. A position numbers the changes of this process only. A
//! watch that comes from another replica brings a revision, and is told again all changes that came
//! here since a moment before the hub reached that revision. No I/O, no clock.

mod change;
mod entry;
pub(super) mod gone;
mod reached;

use std::{collections::BTreeMap, ops::Bound, sync::Arc, time::Duration};

use crds::ClusterName;
use kube::Resource;
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

/// How often to look for changes at most, however many watches there are.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A change is taken in when it is this old. The hub reports each kind of object in a watch of its
/// own, and within this time it has reported everything that came before. So a client that has seen
/// a revision here has seen everything up to it, and can continue at another replica.
pub(super) const SETTLE: Duration = Duration::from_millis(250);

/// What is shown, and its latest changes.
#[derive(Debug)]
pub(super) struct Journal<O> {
    /// The revisions that the hub is known to have reached.
    reached: Reached,
    position: u64,
    shown: BTreeMap<ClusterName, Entry<O>>,
    /// The position of the last change of each object that is shown.
    changed: BTreeMap<u64, ClusterName>,
    pub(super) gone: Gone<O>,
    /// When the latest changes were taken in.
    refreshed: Option<Instant>,
    /// Whether all sources have been listed once. What was in these first lists counts as old.
    is_started: bool,
}

impl<O> Default for Journal<O> {
    fn default() -> Self {
        Self {
            reached: Reached::default(),
            position: 0,
            shown: BTreeMap::new(),
            changed: BTreeMap::new(),
            gone: Gone::default(),
            refreshed: None,
            is_started: false,
        }
    }
}

impl<O: Resource<DynamicType = ()> + Clone + PartialEq> Journal<O> {
    /// The hub has reached this revision.
    pub(super) fn reach(&mut self, revision: u64, now: Instant) {
        self.reached.reach(revision, now);
    }

    /// The newest revision that the hub is known to have reached.
    pub(super) fn newest(&self) -> u64 {
        self.reached.newest()
    }

    /// The newest revision that had been reached at that moment.
    pub(super) fn newest_at(&self, moment: Instant) -> u64 {
        self.reached.newest_at(moment)
    }

    pub(super) fn is_started(&self) -> bool {
        self.is_started
    }

    /// Everything that came up to a moment before `now` is taken in from here on.
    pub(super) fn refresh(&mut self, now: Instant) {
        self.refreshed = Some(now);
    }

    /// All sources have been listed.
    pub(super) fn start(&mut self) {
        if !std::mem::replace(&mut self.is_started, true) {
            self.gone.begin(self.settled());
        }
    }

    pub(super) fn get(&self, name: &ClusterName) -> Option<&Arc<O>> {
        self.shown.get(name).map(|entry| &entry.object)
    }

    pub(super) fn revision_of(&self, name: &ClusterName) -> Option<u64> {
        self.shown.get(name).map(|entry| entry.revision)
    }

    /// What is shown, in the order of the names.
    pub(super) fn objects(&self) -> impl Iterator<Item = (&ClusterName, &Arc<O>)> {
        self.shown.iter().map(|(name, entry)| (name, &entry.object))
    }

    /// All objects that are given, at the revision up to which all changes are taken in.
    pub(super) fn listed(&self, objects: Vec<Arc<O>>) -> Listed<O> {
        Listed {
            objects,
            revision: self.settled(),
            position: self.position,
        }
    }

    /// Shows an object as it is at that revision, which came here then.
    pub(super) fn put(&mut self, name: &ClusterName, mut object: O, revision: u64, came: Instant) {
        object.meta_mut().resource_version = Some(revision.to_string());
        let object = Arc::new(object);
        if let Some(known) = self.shown.get_mut(name)
            && is_same(&*known.object, &*object)
        {
            // No watch is told: only the revision of a source has changed.
            known.object = object;
            known.revision = revision;
            return;
        }
        let step = Step {
            revision,
            position: self.position + 1,
            at: self.is_started.then_some(came),
        };
        let entry = Entry {
            revision,
            object,
            born: step,
            changed: step,
            relabelled: None,
        };
        self.show(name, entry);
    }

    fn show(&mut self, name: &ClusterName, mut entry: Entry<O>) {
        self.position = entry.changed.position;
        if let Some(known) = self.shown.remove(name) {
            self.changed.remove(&known.changed.position);
            entry.born = known.born;
            entry.relabelled = if known.object.meta().labels == entry.object.meta().labels {
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

    /// An object is gone, as this replica learnt then.
    pub(super) fn hide(&mut self, name: &ClusterName, came: Instant) {
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

    /// Continues a watch that has seen everything up to a revision, at this replica or another one.
    /// Returns the changes that it must be told, some of them perhaps again.
    pub(super) fn resume(&self, revision: u64) -> Result<Changes<O>, Unknown> {
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
    pub(super) fn after(&self, position: u64) -> Result<Changes<O>, Unknown> {
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

    /// The changes that are wanted, in the order of the hub's revisions.
    fn changes(&self, is_wanted: impl Fn(Step) -> bool, births: Births) -> Changes<O> {
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
pub(super) fn is_same<O: Resource + Clone + PartialEq>(one: &O, other: &O) -> bool {
    let mut one = one.clone();
    let version = &other.meta().resource_version;
    one.meta_mut().resource_version.clone_from(version);
    one == *other
}

pub(super) fn is_settled(came: Instant, now: Instant) -> bool {
    came + SETTLE <= now
}
