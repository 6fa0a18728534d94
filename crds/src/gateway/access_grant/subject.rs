//! Who gets a grant, and who that is on a managed cluster.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Prefix of names that mean something else on the managed cluster than on the hub.
pub const ON_CLUSTER_PREFIX: &str = "cluster:hub:";
/// User name on a managed cluster of a caller whom only grants to its groups name. No right is bound to
/// it, so that the caller has the rights of its groups and no others.
pub const GROUP_MEMBER: &str = "cluster:hub:group-member";
/// Key of the extra field by which the managed cluster's audit log knows such a caller.
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

/// Who a subject is on a managed cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnCluster {
    /// A user.
    User(String),
    /// A group.
    Group(String),
    /// The account that the gateway has there.
    Gateway,
}

impl Subject {
    /// Who that is on a managed cluster.
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

/// What a user or group of the hub is called on managed clusters: as on the hub, but for the system's
/// own, which there would be somebody else.
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
