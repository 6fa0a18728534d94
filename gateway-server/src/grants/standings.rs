//! The result of all grants together, by subject and cluster. A change copies only the subjects
//! that it concerns, so that the snapshot that requests still read does not change.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crds::{
    ClusterName,
    gateway::{OnHub, UserPrefix},
};
use http::HeaderValue;

use super::{claim::Share, reading::Obstacle};
use crate::acting::header_value;

/// Everybody's standing at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standings {
    /// By their names on the hub, so that a request can look them up without building a name.
    users: Known,
    groups: Known,
    /// What every caller has.
    everyone: Arc<Clusters>,
    /// The clusters on which a grant was ever used.
    pub(super) used: Arc<HashSet<ClusterName>>,
    /// All grants have been read: a subject that is not in here has no grant.
    pub(super) listed: bool,
    /// It is known on which clusters a grant was ever used.
    pub(super) use_is_known: bool,
    /// The caps, and the labels of clusters, have been read.
    pub(super) bounds_are_known: bool,
}

type Known = HashMap<Arc<str>, Arc<Subject>>;
type Clusters = HashMap<ClusterName, Standing>;

/// One user or group.
#[derive(Clone, Debug)]
struct Subject {
    /// The user's name on managed clusters. `None` for groups: a caller has those of its grants. `None`
    /// as well for a user that can have no name there.
    name: Option<HeaderValue>,
    clusters: Clusters,
}

/// A user that grants name on one cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    /// Its name on managed clusters. `None` if it can have none.
    pub(super) name: Option<&'a HeaderValue>,
    pub(super) standing: &'a Standing,
}

/// The grants of a subject on one cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// The groups of the grants that count.
    groups: Vec<HeaderValue>,
    /// Why the others do not count.
    obstacles: Vec<Arc<Obstacle>>,
}

impl Standing {
    pub(super) fn groups(&self) -> &[HeaderValue] {
        &self.groups
    }

    pub(super) fn obstacles(&self) -> &[Arc<Obstacle>] {
        &self.obstacles
    }

    fn add(&mut self, share: &Share) {
        match share {
            Share::Counts(group) => self.groups.push(group.clone()),
            Share::Waits(why) => self.obstacles.push(Arc::clone(why)),
        }
    }

    fn withdraw(&mut self, share: &Share) {
        match share {
            Share::Counts(group) => take(&mut self.groups, group),
            Share::Waits(why) => take(&mut self.obstacles, why),
        }
    }

    fn is_nothing(&self) -> bool {
        self.groups.is_empty() && self.obstacles.is_empty()
    }
}

fn take<T: PartialEq>(all: &mut Vec<T>, one: &T) {
    if let Some(at) = all.iter().position(|it| it == one) {
        all.swap_remove(at);
    }
}

impl Standings {
    /// Whether everything has been read that says who may act.
    pub(super) fn are_complete(&self) -> bool {
        self.listed && self.use_is_known && self.bounds_are_known
    }

    /// A user of the hub on a cluster.
    pub(super) fn user(&self, name: &str, cluster: &ClusterName) -> Option<Found<'_>> {
        let Subject { name, clusters } = &**self.users.get(name)?;
        Some(Found {
            name: name.as_ref(),
            standing: clusters.get(cluster)?,
        })
    }

    /// A group of the hub on a cluster.
    pub(super) fn group(&self, name: &str, cluster: &ClusterName) -> Option<&Standing> {
        self.groups.get(name)?.clusters.get(cluster)
    }

    /// Every caller on a cluster.
    pub(super) fn everyone(&self, cluster: &ClusterName) -> Option<&Standing> {
        self.everyone.get(cluster)
    }

    /// Adds what a subject has by one grant. A user that can have no name on managed clusters is named
    /// all the same, so that it does not act as anybody else.
    pub(super) fn add(
        &mut self,
        prefix: &UserPrefix,
        who: &OnHub,
        cluster: &ClusterName,
        share: &Share,
    ) {
        let clusters = match who {
            OnHub::Everyone => Arc::make_mut(&mut self.everyone),
            OnHub::Group(name) => clusters_of(&mut self.groups, name, None),
            OnHub::User(user) => {
                let name = prefix.on_cluster(user);
                let name = name.and_then(|name| header_value(&name));
                clusters_of(&mut self.users, user, name)
            }
        };
        clusters.entry(cluster.clone()).or_default().add(share);
    }

    /// Takes back what [`add`](Self::add) added.
    pub(super) fn withdraw(&mut self, who: &OnHub, cluster: &ClusterName, share: &Share) {
        let (known, name) = match who {
            OnHub::Everyone => {
                withdraw(Arc::make_mut(&mut self.everyone), cluster, share);
                return;
            }
            OnHub::User(name) => (&mut self.users, name.as_str()),
            OnHub::Group(name) => (&mut self.groups, name.as_str()),
        };
        let Some(subject) = known.get_mut(name) else {
            return;
        };
        let clusters = &mut Arc::make_mut(subject).clusters;
        withdraw(clusters, cluster, share);
        if clusters.is_empty() {
            known.remove(name);
        }
    }
}

fn clusters_of<'a>(
    known: &'a mut Known,
    subject: &str,
    name: Option<HeaderValue>,
) -> &'a mut Clusters {
    let subject = known.entry(subject.into()).or_insert_with(|| {
        Arc::new(Subject {
            name,
            clusters: Clusters::new(),
        })
    });
    &mut Arc::make_mut(subject).clusters
}

fn withdraw(clusters: &mut Clusters, cluster: &ClusterName, share: &Share) {
    let Some(standing) = clusters.get_mut(cluster) else {
        return;
    };
    standing.withdraw(share);
    if standing.is_nothing() {
        clusters.remove(cluster);
    }
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
