//! The rules of `ClusterRole`s on managed clusters. They are read with the caller's own rights
//! through the gateway.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::Api;

use crate::hub::{Hub, HubError, unanswered};

/// The roles that every cluster has, with about the same rules everywhere.
pub(crate) const WELL_KNOWN: [&str; 4] = ["view", "edit", "admin", "cluster-admin"];
const AT_ONCE: usize = 16;
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";

/// A cluster, and the name of a role on it.
pub(crate) type RoleOf = (String, String);

/// What is known of a role.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Role {
    /// The rules of the cluster's role.
    Read(Vec<PolicyRule>),
    /// The rules of the hub's role of the same name, and why the cluster's role could not be read.
    Hubs(Vec<PolicyRule>, String),
    /// The cluster has no role of that name.
    Absent,
    /// Nothing is known, for this reason.
    Unknown(String),
}

/// Reads roles. If a well-known role cannot be read, the hub's role of that name is used.
pub(crate) async fn read(hub: &Hub, roles: BTreeSet<RoleOf>) -> BTreeMap<RoleOf, Role> {
    let read = stream::iter(roles).map(|of| async {
        let (cluster, name) = &of;
        let path = format!("{ROLES}/{name}");
        let role = hub.through::<ClusterRole>(cluster, &path).await;
        (of, role.map(|role| role.rules.unwrap_or_default()))
    });
    let read: Vec<_> = read.buffer_unordered(AT_ONCE).collect().await;
    let failed = read.iter().filter(|(_, role)| role.is_err());
    let wanted = failed.map(|((_, name), _)| name.clone());
    let hubs = hubs_own(hub, wanted.collect()).await;
    let roles = read.into_iter().map(|(of, role)| {
        let role = known(&of, role, &hubs);
        (of, role)
    });
    roles.collect()
}

async fn hubs_own(hub: &Hub, wanted: BTreeSet<String>) -> BTreeMap<String, Vec<PolicyRule>> {
    let api = Api::<ClusterRole>::all(hub.client.clone());
    let mut own = BTreeMap::new();
    for name in wanted {
        if WELL_KNOWN.contains(&name.as_str())
            && let Ok(role) = api.get(&name).await.map_err(unanswered)
        {
            own.insert(name, role.rules.unwrap_or_default());
        }
    }
    own
}

fn known(
    (_, name): &RoleOf,
    read: Result<Vec<PolicyRule>, HubError>,
    hubs: &BTreeMap<String, Vec<PolicyRule>>,
) -> Role {
    match read {
        Ok(rules) => Role::Read(rules),
        // A 404 of the gateway itself means that the cluster does not exist, so the message must
        // name the role.
        Err(HubError::Refused {
            code: 404, message, ..
        }) if message.contains(&format!(
            "clusterroles.rbac.authorization.k8s.io \"{name}\""
        )) =>
        {
            Role::Absent
        }
        Err(error) => match hubs.get(name) {
            Some(rules) => Role::Hubs(rules.clone(), error.to_string()),
            None => Role::Unknown(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, message: &str) -> HubError {
        HubError::Refused {
            code,
            reason: "NotFound".to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_role_that_is_not_there_is_told_from_one_that_cannot_be_read() {
        let of = |name: &str| ("managed1".to_owned(), name.to_owned());
        let hubs = BTreeMap::from([("view".to_owned(), vec![PolicyRule::default()])]);
        let absent = refused(
            404,
            "clusterroles.rbac.authorization.k8s.io \"view\" not found",
        );
        assert_eq!(known(&of("view"), Err(absent), &hubs), Role::Absent);
        let no_cluster = || Err(refused(404, "clustergateways \"managed1\" not found"));
        assert!(
            matches!(known(&of("view"), no_cluster(), &hubs), Role::Hubs(rules, _) if rules.len() == 1)
        );
        assert!(matches!(
            known(&of("own"), no_cluster(), &hubs),
            Role::Unknown(_)
        ));
        assert_eq!(
            known(&of("own"), Ok(Vec::new()), &hubs),
            Role::Read(Vec::new())
        );
    }
}
