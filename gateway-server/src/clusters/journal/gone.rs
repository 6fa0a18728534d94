//! Objects that were removed, for watches that have not been told yet. Pure.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crds::{
    ClusterName,
    cluster_core::{
        ClusterAccess, ClusterEndpoint, ClusterGateway, ClusterGatewaySpec, CredentialType,
        EndpointType,
    },
};
use serde::{Deserialize, Serialize};

use super::change::{Births, Change, Step};

/// How many removed clusters are remembered, in addition to as many as are shown.
pub(in crate::clusters) const KEPT: usize = 1024;

/// Clusters that were removed, in the order of their removal.
#[derive(Debug)]
pub(in crate::clusters) struct Gone<O> {
    buried: VecDeque<(ClusterName, Tombstone<O>)>,
    /// All clusters that were removed after this revision are in here; `None` before the start.
    oldest: Option<u64>,
    /// Clusters that were removed up to this position are forgotten.
    forgotten: u64,
}

/// A cluster that was removed.
#[derive(Debug)]
pub(in crate::clusters) struct Tombstone<O> {
    /// The object as it was shown last.
    pub(super) last: Arc<O>,
    /// The position at which the cluster was shown first.
    pub(super) born: u64,
    pub(super) went: Step,
}

/// A cluster that was removed, as replicas tell each other. The labels tell which watches had
/// selected it.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Went {
    pub(crate) cluster: ClusterName,
    pub(crate) revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) labels: Option<BTreeMap<String, String>>,
}

/// What one replica tells another one that has just started.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The revision after which it knows all removals; `None` if it has just started itself.
    pub(crate) oldest: Option<u64>,
    pub(crate) gone: Vec<Went>,
}

impl<O> Default for Gone<O> {
    fn default() -> Self {
        Self {
            buried: VecDeque::new(),
            oldest: None,
            forgotten: 0,
        }
    }
}

impl<O> Gone<O> {
    /// From this revision on, this replica sees removals itself.
    pub(in crate::clusters) fn begin(&mut self, revision: u64) {
        let oldest = self.oldest.get_or_insert(revision);
        *oldest = revision.min(*oldest);
    }

    /// The revision after which all removals are known.
    pub(in crate::clusters) fn oldest(&self) -> u64 {
        self.oldest.unwrap_or(u64::MAX)
    }

    /// Clusters that were removed up to this position are forgotten.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn bury(&mut self, name: ClusterName, tombstone: Tombstone<O>, shown: usize) {
        self.buried.push_back((name, tombstone));
        while self.buried.len() > KEPT + shown {
            if let Some((_, first)) = self.buried.pop_front() {
                self.forgotten = self.forgotten.max(first.went.position);
                self.oldest = self.oldest.max(Some(first.went.revision));
            }
        }
    }

    /// The removals that are wanted, each with its position.
    pub(super) fn changes(
        &self,
        is_wanted: impl Fn(Step) -> bool,
        births: Births,
    ) -> impl Iterator<Item = (u64, Change<O>)> {
        let is_told = move |it: &Tombstone<O>| match births {
            Births::Any => true,
            Births::UpTo(position) => it.born <= position,
        };
        let gone = self.buried.iter().map(|(_, it)| it);
        let gone = gone.filter(move |it| is_wanted(it.went) && is_told(it));
        gone.map(|it| {
            let change = Change {
                revision: it.went.revision,
                before: Some(Arc::clone(&it.last)),
                after: None,
            };
            (it.went.position, change)
        })
    }
}

impl Gone<ClusterGateway> {
    /// Another replica says that this cluster was removed.
    pub(in crate::clusters) fn hear(&mut self, went: Went) {
        let is_known = |(name, it): &(ClusterName, Tombstone<ClusterGateway>)| {
            *name == went.cluster && it.went.revision >= went.revision
        };
        if self.buried.len() >= KEPT || self.buried.iter().any(is_known) {
            return;
        }
        let Went {
            cluster,
            revision,
            labels,
        } = went;
        let tombstone = Tombstone {
            last: Arc::new(named(&cluster, labels)),
            born: 0,
            went: Step {
                revision,
                position: 1,
                at: None,
            },
        };
        self.buried.push_front((cluster, tombstone));
    }

    /// Another replica has reported all clusters that were removed after that revision.
    pub(in crate::clusters) fn hear_oldest(&mut self, revision: u64) {
        self.begin(revision);
    }

    pub(in crate::clusters) fn all(&self) -> Vec<Went> {
        let went = |(name, it): &(ClusterName, Tombstone<ClusterGateway>)| Went {
            cluster: name.clone(),
            revision: it.went.revision,
            labels: it.last.metadata.labels.clone(),
        };
        self.buried.iter().map(went).collect()
    }
}

/// Everything that is known of a cluster that was removed before this replica started.
fn named(cluster: &ClusterName, labels: Option<BTreeMap<String, String>>) -> ClusterGateway {
    let spec = ClusterGatewaySpec {
        provider: String::new(),
        access: ClusterAccess {
            endpoint: ClusterEndpoint {
                endpoint_type: EndpointType::ClusterProxy,
                constant: None,
            },
            credential: CredentialType::ServiceAccountToken.into(),
        },
    };
    let mut gateway = ClusterGateway::new(cluster.as_str(), spec);
    gateway.metadata.labels = labels;
    gateway
}
