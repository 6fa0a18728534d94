//! The parts of an `AccessGrant` that the gateway uses. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crds::{
    ClusterName,
    gateway::{
        AccessGrant, ClusterGrant, GrantState, ON_CLUSTER_PREFIX, OnCluster, REMOVING, Subject,
    },
};
use jiff::Timestamp;
use kube::ResourceExt as _;

use crate::acting::Named;

/// Subjects, sorted and without duplicates.
pub(super) type Subjects = Arc<[OnCluster]>;

/// A grant that names a subject but does not hold for it on a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    /// The grant's name.
    pub(crate) grant: String,
    /// It cannot be carried out there; if false, it does not hold yet.
    pub(crate) failed: bool,
    /// Since when, if that is known.
    pub(crate) since: Option<Timestamp>,
    /// The reason and message of its status.
    pub(crate) why: String,
}

/// What a grant says.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) named: Subjects,
    /// Its status is about an older generation.
    unseen: Option<Arc<Obstacle>>,
    deleting: bool,
    ends: Option<Timestamp>,
    clusters: BTreeMap<ClusterName, Reported>,
}

/// The state of a grant on one cluster, as the operator reports it.
#[derive(Clone, Debug)]
enum Reported {
    Applied,
    Pending(Arc<Obstacle>),
    Failed(Arc<Obstacle>),
    Removing,
    Expired,
    /// Not reported yet, though the grant names the cluster.
    Nothing,
}

/// The state of a grant on one cluster now.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// It holds for all subjects that it names now.
    Holds,
    /// Nothing is there yet, but something may come.
    Awaited(Arc<Obstacle>),
    /// Its first version, or a newer one, is being applied there.
    Changing(Arc<Obstacle>),
    /// It cannot be carried out.
    Refused(Arc<Obstacle>),
    /// It no longer counts, but its rights may still be on the cluster.
    Ending,
    /// Nothing of it is there.
    Gone,
}

impl Reading {
    pub(super) fn of(grant: &AccessGrant) -> Self {
        let name = grant.name_any();
        let status = grant.status.clone().unwrap_or_default();
        let generation = grant.metadata.generation.unwrap_or_default();
        let unseen = (status.observed_generation != Some(generation)).then(|| {
            Arc::new(Obstacle {
                grant: name.clone(),
                failed: false,
                since: None,
                why: "the operator has not seen its newest version yet".to_owned(),
            })
        });
        let mut clusters = BTreeMap::new();
        if unseen.is_some() {
            let names = grant.spec.clusters.names.iter();
            clusters.extend(names.filter_map(|name| Some((name.parse().ok()?, Reported::Nothing))));
        }
        let told = status.cluster_states.iter();
        clusters
            .extend(told.filter_map(|told| Some((told.name.parse().ok()?, reported(&name, told)))));
        Self {
            uid: grant.uid().unwrap_or_default(),
            generation,
            named: named(&grant.spec.subjects),
            unseen,
            deleting: grant.metadata.deletion_timestamp.is_some(),
            ends: grant.expires_at(),
            clusters,
        }
    }

    /// When it expires; `None` if it never does, or if it is being deleted.
    pub(super) fn ends(&self) -> Option<Timestamp> {
        self.ends.filter(|_| !self.deleting)
    }

    /// As [`AccessGrant::is_over`].
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.deleting || self.ends.is_some_and(|end| end <= now)
    }

    /// The clusters that it concerns.
    pub(super) fn clusters(&self) -> impl Iterator<Item = &ClusterName> {
        self.clusters.keys()
    }

    /// Its state on a cluster.
    pub(super) fn phase(&self, cluster: &ClusterName, now: Timestamp) -> Phase {
        let Some(reported) = self.clusters.get(cluster) else {
            return Phase::Gone;
        };
        let over = self.is_over(now);
        match (reported, &self.unseen) {
            (Reported::Nothing | Reported::Expired, Some(why)) if !over => {
                Phase::Awaited(Arc::clone(why))
            }
            (Reported::Nothing | Reported::Expired, _) => Phase::Gone,
            (Reported::Applied | Reported::Pending(_) | Reported::Failed(_), _) if over => {
                Phase::Ending
            }
            (Reported::Removing, _) => Phase::Ending,
            (Reported::Failed(why), _) => Phase::Refused(Arc::clone(why)),
            (Reported::Pending(why), _) | (Reported::Applied, Some(why)) => {
                Phase::Changing(Arc::clone(why))
            }
            (Reported::Applied, None) => Phase::Holds,
        }
    }
}

fn reported(grant: &str, told: &ClusterGrant) -> Reported {
    let obstacle = |failed| {
        let words: Vec<_> = [told.reason.as_str(), told.message.as_str()]
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect();
        Arc::new(Obstacle {
            grant: grant.to_owned(),
            failed,
            since: Some(told.since.0),
            why: words.join(": "),
        })
    };
    match told.state {
        GrantState::Applied => Reported::Applied,
        GrantState::Pending if told.reason == REMOVING => Reported::Removing,
        GrantState::Pending => Reported::Pending(obstacle(false)),
        GrantState::Failed => Reported::Failed(obstacle(true)),
        GrantState::Expired => Reported::Expired,
    }
}

/// Who of the subjects can be somebody on a cluster, each once: a name that no request can carry is
/// nobody's.
fn named(subjects: &[Subject]) -> Subjects {
    let known: BTreeSet<_> = subjects
        .iter()
        .filter(|subject| !subject.name.starts_with(ON_CLUSTER_PREFIX))
        .map(Subject::on_cluster)
        .filter(|who| *who == OnCluster::Gateway || Named::new(who).is_some())
        .collect();
    known.into_iter().collect()
}
