//! The parts of an `AccessGrant` that the gateway uses. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crds::{
    ClusterName,
    gateway::{
        AccessGrant, ClusterChoice, ClusterGrant, GrantRole, GrantState, OnHub, PlacementReference,
        REMOVING, Subject,
    },
};
use http::HeaderValue;
use jiff::Timestamp;
use kube::ResourceExt as _;

/// The labels of a `ManagedCluster`.
pub(super) type Labels = BTreeMap<String, String>;

/// Subjects, sorted and without duplicates.
pub(super) type Subjects = Arc<[OnHub]>;

/// A grant that names a subject but does not hold for it on a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Obstacle {
    /// The grant's name.
    pub(crate) grant: String,
    /// Why it does not hold, in one word.
    pub(crate) state: State,
    /// Since when, if that is known.
    pub(crate) since: Option<Timestamp>,
    /// The reason and message of its status.
    pub(crate) why: String,
}

/// Why a grant does not hold, the most hopeful reason first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// It does not hold yet.
    Pending,
    /// It cannot be carried out.
    Failed,
    /// It no longer holds.
    Over,
}

/// What the present version of a grant allows, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) named: Subjects,
    /// The group on managed clusters that its role is bound to.
    pub(super) group: HeaderValue,
}

/// What a grant says.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) name: String,
    pub(super) allowed: Allowed,
    pub(super) role: Arc<GrantRole>,
    /// The namespaces that the role is limited to. Empty for the whole cluster.
    pub(super) namespaces: Arc<[String]>,
    choice: Arc<ClusterChoice>,
    placements: Arc<[PlacementReference]>,
    /// Its status is about an older generation.
    unseen: Option<Arc<Obstacle>>,
    deleted: Option<Timestamp>,
    ends: Option<Timestamp>,
    clusters: BTreeMap<ClusterName, Reported>,
}

/// The state of a grant on one cluster, as the operator reports it.
#[derive(Clone, Debug)]
enum Reported {
    Applied,
    Pending(Arc<Obstacle>),
    Failed(Arc<Obstacle>),
    Removing(Arc<Obstacle>),
    Expired(Arc<Obstacle>),
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
    /// It no longer counts, whatever is still on the cluster.
    Over(Arc<Obstacle>),
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
                state: State::Pending,
                since: None,
                why: "the operator has not seen its newest version yet".to_owned(),
            })
        });
        let group = HeaderValue::try_from(grant.group());
        let deleted = grant.metadata.deletion_timestamp.as_ref();
        let mut clusters = BTreeMap::new();
        if unseen.is_some() {
            let names = grant.spec.clusters.names.iter();
            clusters.extend(names.filter_map(|name| Some((name.parse().ok()?, Reported::Nothing))));
        }
        let told = status.cluster_states.iter();
        clusters
            .extend(told.filter_map(|told| Some((told.name.parse().ok()?, reported(&name, told)))));
        Self {
            name,
            allowed: Allowed {
                named: named(&grant.spec.subjects),
                group: group.expect("it has letters, digits and colons"),
            },
            role: Arc::new(grant.spec.role.clone()),
            namespaces: grant
                .spec
                .namespaces
                .iter()
                .flat_map(|it| it.names.iter().cloned())
                .collect(),
            choice: Arc::new(ClusterChoice::from(&grant.spec.clusters)),
            placements: grant.spec.clusters.placements.as_slice().into(),
            unseen,
            deleted: deleted.map(|time| time.0),
            ends: grant.expires_at(),
            clusters,
        }
    }

    /// When it expires; `None` if it never does, or if it is being deleted.
    pub(super) fn ends(&self) -> Option<Timestamp> {
        self.ends.filter(|_| self.deleted.is_none())
    }

    /// As [`AccessGrant::is_over`].
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.deleted.is_some() || self.ends.is_some_and(|end| end <= now)
    }

    /// The clusters that it concerns.
    pub(super) fn clusters(&self) -> impl Iterator<Item = &ClusterName> {
        self.clusters.keys()
    }

    /// Whether it selects a cluster with these labels, as far as the gateway can tell: what placements
    /// have chosen is in the status only.
    pub(super) fn selects(&self, cluster: &ClusterName, labels: &Labels) -> bool {
        self.choice.chooses(cluster.as_str(), labels, |_| true)
    }

    /// Whether it selects the cluster without a placement.
    pub(super) fn selects_itself(&self, cluster: &ClusterName, labels: &Labels) -> bool {
        self.choice.chooses(cluster.as_str(), labels, |_| false)
    }

    /// Whether it has all placements of its former version.
    pub(super) fn has_placements_of(&self, former: &Self) -> bool {
        former
            .placements
            .iter()
            .all(|it| self.placements.contains(it))
    }

    /// Its state on a cluster, by its status and the clock.
    pub(super) fn phase(&self, cluster: &ClusterName, now: Timestamp) -> Phase {
        let Some(reported) = self.clusters.get(cluster) else {
            return Phase::Gone;
        };
        if self.is_over(now) {
            return Phase::Over(self.end());
        }
        match (reported, &self.unseen) {
            (Reported::Nothing | Reported::Expired(_), Some(why)) => {
                Phase::Awaited(Arc::clone(why))
            }
            (Reported::Nothing, None) => Phase::Gone,
            (Reported::Expired(why) | Reported::Removing(why), _) => Phase::Over(Arc::clone(why)),
            (Reported::Failed(why), _) => Phase::Refused(Arc::clone(why)),
            (Reported::Pending(why), _) | (Reported::Applied, Some(why)) => {
                Phase::Changing(Arc::clone(why))
            }
            (Reported::Applied, None) => Phase::Holds,
        }
    }

    fn end(&self) -> Arc<Obstacle> {
        let (since, why) = match self.deleted {
            Some(deleted) => (Some(deleted), "it is being deleted"),
            None => (self.ends, "it has expired"),
        };
        Arc::new(Obstacle {
            grant: self.name.clone(),
            state: State::Over,
            since,
            why: why.to_owned(),
        })
    }
}

fn reported(grant: &str, told: &ClusterGrant) -> Reported {
    let obstacle = |state| {
        let words: Vec<_> = [told.reason.as_str(), told.message.as_str()]
            .into_iter()
            .filter(|it| !it.is_empty())
            .collect();
        Arc::new(Obstacle {
            grant: grant.to_owned(),
            state,
            since: Some(told.since.0),
            why: words.join(": "),
        })
    };
    match told.state {
        GrantState::Applied => Reported::Applied,
        GrantState::Pending if told.reason == REMOVING => Reported::Removing(obstacle(State::Over)),
        GrantState::Pending => Reported::Pending(obstacle(State::Pending)),
        GrantState::Failed => Reported::Failed(obstacle(State::Failed)),
        GrantState::Expired => Reported::Expired(obstacle(State::Over)),
    }
}

/// The subjects, each once.
fn named(subjects: &[Subject]) -> Subjects {
    let named: BTreeSet<_> = subjects.iter().map(Subject::on_hub).collect();
    named.into_iter().collect()
}
