//! What a caller is told about a managed cluster that is absent, or that cannot be shown.

use crds::{ClusterName, cluster_core::GROUP};
use http::StatusCode;

use super::{
    journal::Unknown,
    snapshot::{Absent, Unshown},
};
use crate::{account_name::AccountName, status::Refusal};

const RESOURCE: &str = "clustergateways";

impl Absent {
    /// The answer to a caller who asked for `cluster`.
    pub(crate) fn refusal(self, cluster: &ClusterName) -> Refusal {
        match self {
            Self::Unknown => unknown(cluster),
            Self::Denied => denied(cluster),
            Self::Unwanted(account) => unwanted(cluster, &account),
            Self::NotReadYet => not_read_yet().of_cluster(cluster),
        }
    }
}

impl Unshown {
    /// The answer to a caller who asked for `cluster`.
    pub(crate) fn refusal(&self, cluster: &ClusterName) -> Refusal {
        match self {
            Self::Absent(absent) => absent.clone().refusal(cluster),
            Self::Unreadable(fault) => unreadable(cluster, fault),
        }
    }
}

impl Unknown {
    /// The answer to a caller who wanted to go on from there.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::TooOld { .. } => Refusal::new(StatusCode::GONE, "Expired", self.to_string()),
            Self::TooNew { .. } => {
                let code = StatusCode::GATEWAY_TIMEOUT;
                Refusal::new(code, "Timeout", self.to_string())
                    .cause("ResourceVersionTooLarge", "Too large resource version")
                    .retry_after(1)
            }
        }
    }
}

/// The gateway has just started: clusters that it has not seen yet may exist.
pub(crate) fn not_read_yet() -> Refusal {
    let message = "the gateway has not read all managed clusters from the hub yet, which takes a \
                   moment after its start; try again, and if this lasts, see its /readyz and its \
                   log for what it cannot read";
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "ServiceUnavailable",
        message,
    )
    .retry_after(1)
}

fn unknown(cluster: &ClusterName) -> Refusal {
    let why = "the hub has no credential for a managed cluster with this name; `kubectl get clustergateway` lists \
               the clusters that it has credentials for";
    not_found(cluster, why)
}

/// The hub does not accept the managed cluster.
fn denied(cluster: &ClusterName) -> Refusal {
    let why = format!(
        "the hub does not accept this managed cluster: hubAcceptsClient is false; to accept it, run `kubectl patch \
         managedcluster {cluster} --type=merge -p '{{\"spec\":{{\"hubAcceptsClient\":true}}}}'`"
    );
    not_found(cluster, &why)
}

/// The hub accepts the managed cluster, and nobody has asked for an account there.
fn unwanted(cluster: &ClusterName, account: &AccountName) -> Refusal {
    let why = format!(
        "the hub accepts this managed cluster, but there is no ManagedServiceAccount {account} for the gateway in \
         its namespace, so it is not enrolled; check that spec.clusters of the GatewayConfiguration selects it, and \
         its Events: `kubectl describe managedcluster {cluster}`"
    );
    not_found(cluster, &why)
}

fn not_found(cluster: &ClusterName, why: &str) -> Refusal {
    let message = format!("{RESOURCE}.{GROUP} {:?} not found: {why}", cluster.as_str());
    Refusal::new(StatusCode::NOT_FOUND, "NotFound", message).of_cluster(cluster)
}

/// The managed cluster is known, but its definition cannot be shown.
fn unreadable(cluster: &ClusterName, fault: &str) -> Refusal {
    let message = format!(
        "managed cluster {:?}: {fault}; fix that Secret",
        cluster.as_str()
    );
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message).of_cluster(cluster)
}
