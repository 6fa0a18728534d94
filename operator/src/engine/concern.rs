//! Which keys a change of an object concerns: the hub as a whole, one cluster, or all of them.
//! Pure. Every change concerns the configuration's status.

use crate::{
    kind::{Concern, ObjectKey},
    names::TOKENS_ROLE,
};

/// What has to be planned after a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Concerned<'a> {
    pub(super) hub: bool,
    pub(super) clusters: Clusters<'a>,
}

/// Which clusters have to be planned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Clusters<'a> {
    None,
    One(&'a str),
    All,
}

/// The keys that a change of this object concerns.
pub(super) fn of(key: &ObjectKey) -> Concerned<'_> {
    let (hub, clusters) = match key.kind.concern() {
        Concern::Everything => (true, Clusters::All),
        Concern::Hub => (true, Clusters::None),
        Concern::Clusters => (false, Clusters::All),
        Concern::ClusterOfName => (false, Clusters::One(&key.name)),
        Concern::ClusterOfNamespace => (false, Clusters::One(&key.namespace)),
        Concern::HubOrCluster => match cluster_of(key) {
            Some(cluster) => (false, Clusters::One(cluster)),
            None => (true, Clusters::None),
        },
        Concern::HubAndClusterOfName => (true, Clusters::One(&key.name)),
        Concern::Status => (false, Clusters::None),
    };
    Concerned { hub, clusters }
}

/// The cluster that a binding exists for. A cluster-scoped binding has the name of the
/// cluster after a colon.
fn cluster_of(binding: &ObjectKey) -> Option<&str> {
    if binding.kind.is_namespaced() {
        (binding.name == TOKENS_ROLE).then_some(binding.namespace.as_str())
    } else {
        let (_, cluster) = binding.name.split_once(':')?;
        Some(cluster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

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
            let cluster = Concerned {
                hub: false,
                clusters: Clusters::One("managed1"),
            };
            assert_eq!(of(&key), cluster, "{key}");
        }
        for (kind, namespace, name) in [
            (Kind::RoleBinding, "kube-system", "spokeway-gateway"),
            (Kind::ClusterRoleBinding, "", "spokeway-agent-tunnel"),
        ] {
            let key = ObjectKey::new(kind, namespace, name);
            let hub = Concerned {
                hub: true,
                clusters: Clusters::None,
            };
            assert_eq!(of(&key), hub, "{key}");
        }
    }
}
