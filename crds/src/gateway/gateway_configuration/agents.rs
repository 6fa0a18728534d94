//! The agents on the managed clusters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The agents on the managed clusters. An `AddOnDeploymentConfig` says more about how they are deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Agents {
    /// Secrets in the namespace of the agent on each managed cluster with which its image is pulled. The
    /// Secret open-cluster-management-image-pull-credentials, which klusterlets copy there, is always used if
    /// it exists. Defaults to none beside it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Vec<SecretReference>,
}

/// A reference to a Secret in a known namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of the Secret.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
    )]
    pub name: String,
}
