//! Who a caller is on a managed cluster.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gateway::UserPrefix;

/// The identity that a caller has on a managed cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity {
    /// Whether callers act as themselves. Impersonate: a caller whom an `AccessGrant` names acts as itself, and has
    /// the rights of those grants that are valid at the moment. `ServiceAccount`: all callers act as the gateway's
    /// account, and `AccessGrant`s have no effect. Defaults to Impersonate.
    #[serde(rename = "type")]
    pub kind: IdentityType,
    /// Precedes the names of the hub's users on managed clusters, so that none of them has the name of a
    /// user that the cluster knows. If it is empty, users have the same name there as on the hub. Leave
    /// it empty only if the clusters use the same identity provider as the hub. Defaults to hub:.
    #[schemars(length(max = 64), regex(pattern = "^([a-z0-9.-]+:)?$"), extend("x-kubernetes-validations" = [{
        "rule": "!(self in ['system:', 'kube:', 'kubeadm:', 'cluster:'])",
        "message": "names that begin so are the managed clusters' own; write another prefix, e.g. hub:",
    }]))]
    pub user_prefix: String,
    /// What a caller may do whom no `AccessGrant` names. Account: it acts as the gateway's account. Deny: it is
    /// refused. Auto: Account on clusters where no `AccessGrant` has ever been used, and Deny on the others.
    /// Defaults to Auto.
    pub fallback: Fallback,
}

/// Whether callers act as themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IdentityType {
    /// A caller whom an `AccessGrant` names acts as itself, and has the rights of those grants that are
    /// valid at the moment.
    #[default]
    Impersonate,
    /// All callers act as the gateway's account. `AccessGrant`s have no effect.
    ServiceAccount,
}

/// What a caller may do whom no `AccessGrant` names.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum,
)]
pub enum Fallback {
    /// Account on clusters where no `AccessGrant` has ever been used, and Deny on the others.
    #[default]
    Auto,
    /// The caller acts as the gateway's account.
    Account,
    /// The caller is refused.
    Deny,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            kind: IdentityType::default(),
            user_prefix: UserPrefix::default().as_str().to_owned(),
            fallback: Fallback::default(),
        }
    }
}

impl Identity {
    /// The prefix, or the default one if the text is none.
    pub fn prefix(&self) -> UserPrefix {
        self.user_prefix.parse().unwrap_or_default()
    }
}
