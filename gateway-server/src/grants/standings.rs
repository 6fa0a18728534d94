//! The result of all grants together, by subject and cluster. A change copies only the subjects
//! that it concerns, so that the snapshot that requests still read does not change.

use std::{collections::HashMap, sync::Arc};

use crds::{
    ClusterName,
    gateway::{ON_CLUSTER_PREFIX, OnCluster},
};

use super::{claim::Share, reading::Obstacle};
use crate::acting::Named;

/// Everybody's standing at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standings {
    /// By their names on the hub, so that a request can look them up without building a name.
    users: Known,
    groups: Known,
    /// All grants have been read: a subject that is not in here has no grant.
    pub(super) listed: bool,
}

type Known = HashMap<Arc<str>, Arc<Subject>>;

/// One user or group.
#[derive(Clone, Debug)]
struct Subject {
    named: Arc<Named>,
    clusters: HashMap<ClusterName, Standing>,
}

/// A subject that grants name on one cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) named: &'a Arc<Named>,
    pub(super) standing: &'a Standing,
}

/// The grants of a subject on one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// How many grants count.
    counting: usize,
    /// Why the others do not count.
    obstacles: Vec<Arc<Obstacle>>,
}

impl Standing {
    pub(super) fn counts(&self) -> bool {
        self.counting > 0
    }

    pub(super) fn obstacles(&self) -> &[Arc<Obstacle>] {
        &self.obstacles
    }

    fn add(&mut self, share: &Share) {
        match share {
            Share::Counts => self.counting += 1,
            Share::Waits(why) => self.obstacles.push(Arc::clone(why)),
        }
    }

    fn withdraw(&mut self, share: &Share) {
        match share {
            Share::Counts => self.counting = self.counting.saturating_sub(1),
            Share::Waits(why) => {
                if let Some(at) = self.obstacles.iter().position(|it| it == why) {
                    self.obstacles.swap_remove(at);
                }
            }
        }
    }

    fn is_nothing(&self) -> bool {
        self.counting == 0 && self.obstacles.is_empty()
    }
}

impl Standings {
    /// A user of the hub on a cluster.
    pub(super) fn user(&self, name: &str, cluster: &ClusterName) -> Option<Found<'_>> {
        find(&self.users, name, cluster)
    }

    /// A group of the hub on a cluster.
    pub(super) fn group(&self, name: &str, cluster: &ClusterName) -> Option<Found<'_>> {
        find(&self.groups, name, cluster)
    }

    /// Adds what a subject has by one grant. Grants to the gateway's own account are left out:
    /// callers without a standing act as that account anyway.
    pub(super) fn add(&mut self, who: &OnCluster, cluster: &ClusterName, share: &Share) {
        let (Some(known), Some(name)) = (self.known(who), on_hub(who)) else {
            return;
        };
        let subject = match known.get_mut(name) {
            Some(subject) => subject,
            None => match Named::new(who) {
                Some(named) => known.entry(name.into()).or_insert(Arc::new(Subject {
                    named: Arc::new(named),
                    clusters: HashMap::new(),
                })),
                None => return,
            },
        };
        let clusters = &mut Arc::make_mut(subject).clusters;
        clusters.entry(cluster.clone()).or_default().add(share);
    }

    /// Takes back what [`add`](Self::add) added.
    pub(super) fn withdraw(&mut self, who: &OnCluster, cluster: &ClusterName, share: &Share) {
        let (Some(known), Some(name)) = (self.known(who), on_hub(who)) else {
            return;
        };
        let Some(subject) = known.get_mut(name) else {
            return;
        };
        let clusters = &mut Arc::make_mut(subject).clusters;
        if let Some(standing) = clusters.get_mut(cluster) {
            standing.withdraw(share);
            if standing.is_nothing() {
                clusters.remove(cluster);
            }
        }
        if clusters.is_empty() {
            known.remove(name);
        }
    }

    fn known(&mut self, who: &OnCluster) -> Option<&mut Known> {
        match who {
            OnCluster::User(_) => Some(&mut self.users),
            OnCluster::Group(_) => Some(&mut self.groups),
            OnCluster::Gateway => None,
        }
    }
}

/// The name of a user or group on the hub.
fn on_hub(who: &OnCluster) -> Option<&str> {
    match who {
        OnCluster::User(name) | OnCluster::Group(name) => {
            Some(name.strip_prefix(ON_CLUSTER_PREFIX).unwrap_or(name))
        }
        OnCluster::Gateway => None,
    }
}

fn find<'a>(known: &'a Known, name: &str, cluster: &ClusterName) -> Option<Found<'a>> {
    let subject = known.get(name)?;
    Some(Found {
        named: &subject.named,
        standing: subject.clusters.get(cluster)?,
    })
}

#[cfg(test)]
impl Standings {
    /// The names of those whose standing was copied, made or dropped between two snapshots.
    pub(super) fn differing(&self, later: &Self) -> Vec<String> {
        let all = |it: &Self| {
            let known = it.users.clone().into_iter().chain(it.groups.clone());
            known.collect::<HashMap<_, _>>()
        };
        let (before, after) = (all(self), all(later));
        let same = |name: &Arc<str>| match (before.get(name), after.get(name)) {
            (Some(before), Some(after)) => Arc::ptr_eq(before, after),
            _ => false,
        };
        let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let differing = names.into_iter().filter(|name| !same(name));
        differing.map(ToString::to_string).collect()
    }
}
