//! What a change of an object concerns: the hub as a whole, a cluster, or all of them. Pure. The
//! configuration's status is concerned by everything.

use crate::kind::{Kind, ObjectKey};
use crate::names::TOKENS_ROLE;

/// What is to be planned after a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Concern<'a> {
    pub(crate) hub: bool,
    pub(crate) clusters: Clusters<'a>,
}

/// Of which clusters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Clusters<'a> {
    None,
    One(&'a str),
    All,
}

/// Whom an object concerns.
pub(crate) fn of(key: &ObjectKey) -> Concern<'_> {
    match key.kind {
        Kind::GatewayConfiguration
        | Kind::ClusterManagementAddOn
        // Agents are told where the gateway is, and verify and are signed for by what is kept there.
        | Kind::Secret
        | Kind::Service => both(Clusters::All),
        Kind::PlacementDecision
        | Kind::AddOnDeploymentConfig
        | Kind::ManagedClusterSet
        | Kind::ManagedClusterSetBinding => clusters(Clusters::All),
        // Whom a grant concerns depends on what it says.
        Kind::AccessGrant | Kind::AdmissionPolicy | Kind::AdmissionPolicyBinding => {
            clusters(Clusters::None)
        }
        Kind::ManagedCluster => clusters(Clusters::One(&key.name)),
        Kind::ManagedClusterAddOn
        | Kind::ManifestWork
        | Kind::ManagedServiceAccount
        | Kind::CertificateSigningRequest => clusters(Clusters::One(&key.namespace)),
        // What agents are bound to is there once for each cluster.
        Kind::RoleBinding if key.name == TOKENS_ROLE => clusters(Clusters::One(&key.namespace)),
        Kind::ClusterRoleBinding => match key.name.split_once(':') {
            Some((_, cluster)) => clusters(Clusters::One(cluster)),
            None => both(Clusters::None),
        },
        Kind::RoleBinding
        | Kind::ClusterRole
        | Kind::ApiService
        | Kind::Namespace
        | Kind::ServiceAccount
        | Kind::Role
        | Kind::Deployment
        | Kind::PodDisruptionBudget
        | Kind::EndpointSlice => both(Clusters::None),
    }
}

fn clusters(clusters: Clusters<'_>) -> Concern<'_> {
    let hub = false;
    Concern { hub, clusters }
}

fn both(clusters: Clusters<'_>) -> Concern<'_> {
    let hub = true;
    Concern { hub, clusters }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_once_for_each_cluster_does_not_concern_the_hub() {
        for (kind, namespace, name) in [
            (Kind::ManagedCluster, "", "managed1"),
            (Kind::ManagedClusterAddOn, "managed1", "cluster-gateway"),
            (Kind::RoleBinding, "managed1", TOKENS_ROLE),
            (
                Kind::ClusterRoleBinding,
                "",
                "spokeway-agent-tunnel:managed1",
            ),
        ] {
            let key = ObjectKey::new(kind, namespace, name);
            assert_eq!(of(&key), clusters(Clusters::One("managed1")), "{key}");
        }
        for (kind, namespace, name) in [
            (Kind::RoleBinding, "kube-system", "spokeway-gateway"),
            (Kind::ClusterRoleBinding, "", "spokeway-agent-tunnel"),
        ] {
            let key = ObjectKey::new(kind, namespace, name);
            assert_eq!(of(&key), both(Clusters::None), "{key}");
        }
    }
}
