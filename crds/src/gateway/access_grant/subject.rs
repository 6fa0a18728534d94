//! The subject of a grant, and its name on managed clusters.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The prefix on managed clusters of names that mean something else there than on the hub.
pub const ON_CLUSTER_PREFIX: &str = "cluster:hub:";
/// The user name on a managed cluster for a caller that only grants to its groups name. No rights
/// are bound to it, so that the caller has only the rights of its groups.
pub const GROUP_MEMBER: &str = "cluster:hub:group-member";
/// The key of the extra field that identifies such a caller in the managed cluster's audit log.
pub const USER_EXTRA: &str = "gateway.open-cluster-management.io/user";
const RESERVED: &str = "system:";

/// A user, a group or an account that gets a grant.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "(self.kind == 'Gateway') == (!has(self.name) || self.name == '')",
        "message": "a subject needs a name, except kind Gateway, which is one account and must have none",
    },
    {
        "rule": "(self.kind == 'ServiceAccount') == (has(self.namespace) && self.namespace != '')",
        "message": "a ServiceAccount needs its namespace on the hub, and other subjects must have none",
    },
    {
        "rule": "!has(self.name) || !self.name.startsWith('cluster:hub:')",
        "message": "names that begin with cluster:hub: are what the system: identities of the hub are called on managed clusters; write the name that the identity has on the hub",
    },
]))]
pub struct Subject {
    /// User, Group or `ServiceAccount` of the hub, or Gateway for the gateway's own account. Callers that no
    /// grant names act as that account. Defaults to User.
    pub kind: SubjectKind,
    /// Name of the subject on the hub. Empty if the kind is Gateway.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub name: String,
    /// Namespace of a `ServiceAccount` on the hub. Empty for every other kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub namespace: String,
}

/// Kind of a subject.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum SubjectKind {
    /// A user, as the hub authenticates it.
    #[default]
    User,
    /// A group of users.
    Group,
    /// A `ServiceAccount` of the hub.
    ServiceAccount,
    /// The gateway's own account.
    Gateway,
}

/// A subject as a managed cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnCluster {
    /// A user.
    User(String),
    /// A group.
    Group(String),
    /// The gateway's account on the cluster.
    Gateway,
}

impl Subject {
    /// The subject as a managed cluster knows it.
    pub fn on_cluster(&self) -> OnCluster {
        match self.kind {
            SubjectKind::User => OnCluster::User(on_cluster(&self.name).into_owned()),
            SubjectKind::Group => OnCluster::Group(on_cluster(&self.name).into_owned()),
            SubjectKind::ServiceAccount => {
                let user = format!("system:serviceaccount:{}:{}", self.namespace, self.name);
                OnCluster::User(on_cluster(&user).into_owned())
            }
            SubjectKind::Gateway => OnCluster::Gateway,
        }
    }
}

/// The name that a user or group of the hub has on managed clusters. It is the same as on the hub,
/// except for names that the system reserves, because those mean something else there.
pub fn on_cluster(name: &str) -> Cow<'_, str> {
    if name.starts_with(RESERVED) {
        Cow::Owned(format!("{ON_CLUSTER_PREFIX}{name}"))
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_own_names_never_mean_themselves_on_a_cluster() {
        let subject = |kind, name: &str, namespace: &str| Subject {
            kind,
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        };
        let user = |name: &str| OnCluster::User(name.to_owned());
        let table = [
            (subject(SubjectKind::User, "alice", ""), user("alice")),
            (
                subject(SubjectKind::User, "system:admin", ""),
                user("cluster:hub:system:admin"),
            ),
            (
                subject(SubjectKind::ServiceAccount, "bot", "ci"),
                user("cluster:hub:system:serviceaccount:ci:bot"),
            ),
            (
                subject(SubjectKind::Group, "system:masters", ""),
                OnCluster::Group("cluster:hub:system:masters".to_owned()),
            ),
            (subject(SubjectKind::Gateway, "", ""), OnCluster::Gateway),
        ];
        for (subject, wanted) in table {
            assert_eq!(subject.on_cluster(), wanted);
        }
    }
}
