//! One row per cluster from three sources: the gateway, Open Cluster Management, and the caller's
//! grants. Pure.

use std::collections::BTreeMap;

use crds::{
    cluster::ManagedCluster,
    cluster_core::{ClusterEndpoint, ClusterGateway, EndpointType},
    gateway::{AccessGrant, ClusterChoice, GrantState, REMOVING, Subject, SubjectKind},
    label_selector::Requirement,
};
use jiff::Timestamp;
use kube::ResourceExt as _;
use serde::Serialize;

use crate::{table::age, wording};

const AVAILABLE: &str = "ManagedClusterConditionAvailable";
const NONE: &str = "-";
const UNKNOWN: &str = "?";

/// The caller.
#[derive(Clone, Debug, Default)]
pub(super) struct Me {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
}

/// What the caller may read, in addition to the gateway's clusters.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) clusters: Option<Vec<ManagedCluster>>,
    pub(super) grants: Option<Vec<AccessGrant>>,
    pub(super) me: Me,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    name: String,
    /// The address of the cluster, or `tunnel`. `None` if it cannot be reached.
    reached_by: Option<String>,
    /// `None` if nobody has tried.
    healthy: Option<bool>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// What Open Cluster Management reports, and since when.
    available: Option<Since>,
    created: Option<Timestamp>,
    /// `None` if the caller is not allowed to read grants.
    grants: Option<Vec<Granted>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Since {
    status: String,
    since: Timestamp,
}

/// A grant of the caller.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Granted {
    name: String,
    role: String,
    state: GrantState,
}

/// All clusters that the gateway serves and that match the requirements, by name.
pub(super) fn of(
    gateways: &[ClusterGateway],
    seen: &Seen,
    requirements: &[Requirement],
    now: Timestamp,
) -> Vec<Row> {
    let clusters: BTreeMap<_, _> = seen
        .clusters
        .iter()
        .flatten()
        .map(|it| (it.name_any(), it))
        .collect();
    let mut rows: Vec<_> = gateways
        .iter()
        .filter_map(|gateway| {
            let cluster = clusters.get(&gateway.name_any()).copied();
            // The labels of the ManagedCluster are preferred, because grants select by them.
            let labels = cluster.map_or_else(|| gateway.labels(), |it| it.labels());
            let chosen = requirements.iter().all(|it| it.matches(labels));
            chosen.then(|| row(gateway, cluster, seen, now))
        })
        .collect();
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    rows
}

fn row(
    gateway: &ClusterGateway,
    cluster: Option<&ManagedCluster>,
    seen: &Seen,
    now: Timestamp,
) -> Row {
    let status = gateway.status.as_ref();
    let available = cluster
        .and_then(|it| it.status.as_ref())
        .into_iter()
        .flat_map(|it| &it.conditions)
        .find(|it| it.type_ == AVAILABLE);
    let grants = seen.grants.as_ref();
    Row {
        name: gateway.name_any(),
        reached_by: reached_by(&gateway.spec.access.endpoint),
        healthy: status.map(|it| it.healthy),
        reason: status.map_or_else(String::new, |it| it.healthy_reason.clone()),
        available: available.map(|it| Since {
            status: it.status.clone(),
            since: it.last_transition_time.0,
        }),
        created: gateway.creation_timestamp().map(|it| it.0),
        grants: grants.map(|all| granted(all, &gateway.name_any(), cluster, &seen.me, now)),
    }
}

fn reached_by(endpoint: &ClusterEndpoint) -> Option<String> {
    match endpoint.endpoint_type {
        EndpointType::ClusterProxy => Some("tunnel".to_owned()),
        EndpointType::Const => {
            let constant = endpoint.constant.as_ref();
            constant.map(|it| it.address.as_str().to_owned())
        }
    }
}

/// The caller's grants on the cluster, including those that everybody has.
fn granted(
    grants: &[AccessGrant],
    name: &str,
    cluster: Option<&ManagedCluster>,
    me: &Me,
    now: Timestamp,
) -> Vec<Granted> {
    let names_me = |grant: &&AccessGrant| grant.spec.subjects.iter().any(|it| me.is(it));
    let own = grants.iter().filter(|grant| !grant.is_over(now));
    let mut there: Vec<_> = own
        .filter(names_me)
        .filter_map(|grant| {
            Some(Granted {
                name: grant.name_any(),
                role: wording::role(&grant.spec.role).to_owned(),
                state: state(grant, name, cluster)?,
            })
        })
        .collect();
    there.sort_by(|one, other| one.name.cmp(&other.name));
    there
}

/// The state of a grant on a cluster: from its status, or from its spec if that is newer. `None` if
/// the grant does not select the cluster. Only the status shows what placements select.
fn state(grant: &AccessGrant, name: &str, cluster: Option<&ManagedCluster>) -> Option<GrantState> {
    let status = grant.status.as_ref();
    let mut on_clusters = status.into_iter().flat_map(|it| &it.cluster_states);
    if let Some(said) = on_clusters.find(|it| it.name == name) {
        return (said.reason != REMOVING).then_some(said.state);
    }
    let choice = ClusterChoice::from(&grant.spec.clusters);
    let labels = cluster?.labels();
    choice
        .chooses(name, labels, |_| false)
        .then_some(GrantState::Pending)
}

impl Me {
    fn is(&self, subject: &Subject) -> bool {
        let Subject {
            kind,
            name,
            namespace,
        } = subject;
        match kind {
            SubjectKind::User => *name == self.name,
            SubjectKind::Group => self.groups.contains(name),
            SubjectKind::ServiceAccount => {
                self.name == format!("system:serviceaccount:{namespace}:{name}")
            }
            SubjectKind::Gateway => true,
        }
    }
}

impl Row {
    /// The cells of the row in a table.
    pub(super) fn cells(&self, now: Timestamp) -> Vec<String> {
        let since = |then: Timestamp| age(now.duration_since(then).unsigned_abs());
        let available = self
            .available
            .as_ref()
            .map(|it| format!("{} ({})", it.status, since(it.since)));
        let grants = self.grants.as_ref().map(|grants| {
            let grants = grants.iter().map(Granted::word);
            grants.collect::<Vec<_>>().join(", ")
        });
        let none = || NONE.to_owned();
        vec![
            self.name.clone(),
            self.reached_by.clone().unwrap_or_else(none),
            match self.healthy {
                Some(true) => "True".to_owned(),
                Some(false) => "False".to_owned(),
                None => "Unknown".to_owned(),
            },
            available.unwrap_or_else(none),
            self.created.map_or_else(none, since),
            match grants {
                Some(grants) if grants.is_empty() => none(),
                Some(grants) => grants,
                None => UNKNOWN.to_owned(),
            },
        ]
    }

    /// Why the cluster is not healthy.
    pub(super) fn complaint(&self) -> Option<String> {
        let is_ill = self.healthy == Some(false) && !self.reason.is_empty();
        is_ill.then(|| format!("{}: {}", self.name, self.reason))
    }
}

impl Granted {
    fn word(&self) -> String {
        match self.state {
            GrantState::Applied => format!("{} ({})", self.name, self.role),
            state => format!("{} ({}, {state:?})", self.name, self.role),
        }
    }
}

#[cfg(test)]
mod tests;
