//! Which managed cluster an agent speaks for: the one that the hub's own authentication put into
//! its user name. What the agent says about itself is ignored. Pure.

use crds::ClusterName;

/// The managed cluster of an agent's user name. The user is an OCM add-on agent, or a service
/// account in the cluster's namespace on the hub.
pub(crate) fn speaks_for(user: &str) -> Option<ClusterName> {
    let cluster = if let Some(rest) = user.strip_prefix("system:open-cluster-management:cluster:") {
        let (cluster, rest) = rest.split_once(':')?;
        rest.strip_prefix("addon:")
            .filter(|addon| !addon.is_empty())?;
        cluster
    } else {
        let (namespace, name) = user
            .strip_prefix("system:serviceaccount:")?
            .split_once(':')?;
        if name.is_empty() || name.contains(':') {
            return None;
        }
        namespace
    };
    cluster.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hubs_own_names_count() {
        let table = [
            (
                "system:open-cluster-management:cluster:c1:addon:cluster-proxy:agent:x",
                Some("c1"),
            ),
            (
                "system:open-cluster-management:cluster:c1:addon:a",
                Some("c1"),
            ),
            ("system:serviceaccount:c1:agent", Some("c1")),
            ("system:open-cluster-management:cluster:c1", None),
            ("system:open-cluster-management:cluster:c1:addon:", None),
            ("system:open-cluster-management:c1:agent", None),
            ("system:open-cluster-management:cluster::addon:a", None),
            ("system:open-cluster-management:cluster:C_1:addon:a", None),
            ("system:serviceaccount:c1", None),
            ("system:serviceaccount:c1:", None),
            ("system:serviceaccount:c1:a:b", None),
            ("c1", None),
            ("", None),
        ];
        for (user, wanted) in table {
            let found = speaks_for(user).map(|cluster| cluster.to_string());
            assert_eq!(found.as_deref(), wanted, "{user}");
        }
    }
}
