//! The subject of a grant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The user name on a managed cluster for a caller that no grant names as a user, only its groups or
/// every caller. No rights are bound to it.
pub const GROUP_MEMBER: &str = "cluster:hub:group-member";
/// The key of the extra field that identifies such a caller in the managed cluster's audit log.
pub const USER_EXTRA: &str = "gateway.open-cluster-management.io/user";

/// A user, a group or an account that gets a grant.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "(self.kind == 'Gateway') == (!has(self.name) || self.name == '')",
        "message": "a subject needs a name, except kind Gateway, which is every caller and must have none",
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
    /// Kind of the subject. User: a user of the hub. Group: a group of the hub. `ServiceAccount`: a
    /// `ServiceAccount` of the hub. Gateway: everybody whom the hub lets use the gateway for the cluster. Defaults
    /// to User.
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
    /// Everybody whom the hub lets use the gateway for the cluster.
    Gateway,
}

/// A subject as the hub knows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnHub {
    /// A user, also one that is a `ServiceAccount`.
    User(String),
    /// A group.
    Group(String),
    /// Every caller of the gateway.
    Everyone,
}

impl Subject {
    /// The subject as the hub authenticates it.
    pub fn on_hub(&self) -> OnHub {
        let Self {
            kind,
            name,
            namespace,
        } = self;
        match kind {
            SubjectKind::User => OnHub::User(name.clone()),
            SubjectKind::Group => OnHub::Group(name.clone()),
            SubjectKind::ServiceAccount => {
                OnHub::User(format!("system:serviceaccount:{namespace}:{name}"))
            }
            SubjectKind::Gateway => OnHub::Everyone,
        }
    }
}
