//! `addon.open-cluster-management.io`: the add-ons of Open Cluster Management, in the two versions
//! that hubs serve. The types contain only what Spokeway reads or writes. Writes use server-side
//! apply.

mod deployment_config;
mod managed_cluster_addon;

use serde::{Deserialize, Serialize};

pub use self::{
    deployment_config::{
        AddOnDeploymentConfigSpec, ContainerResources, CustomizedVariable, ImageMirror,
        NodePlacement, ProxyConfig,
    },
    managed_cluster_addon::{
        ConfigReference, ConfigSpecHash, Driver, KubeClient, ManagedClusterAddOnStatus, Subject,
    },
};

/// API group.
pub const GROUP: &str = "addon.open-cluster-management.io";
/// The resource that configures the agents of add-ons.
pub const DEPLOYMENT_CONFIGS: &str = "addondeploymentconfigs";
/// Label of every object of an add-on. Its value is the add-on's name.
pub const ADDON_LABEL: &str = "open-cluster-management.io/addon-name";
/// Label of an add-on's certificate requests. Its value is the name of the cluster.
pub const CLUSTER_LABEL: &str = "open-cluster-management.io/cluster-name";
/// Annotation of a managed cluster. `"true"` means that add-ons are not installed automatically.
pub const NO_INSTALL: &str = "addon.open-cluster-management.io/disable-automatic-installation";
/// Finalizer of an add-on. It is removed once the add-on is removed from its cluster.
pub const PRE_DELETE: &str = "addon.open-cluster-management.io/addon-pre-delete";
/// Annotation of an add-on's work: the configurations that it contains.
pub const CONFIG_HASHES: &str = "open-cluster-management.io/config-spec-hash";
/// Annotation of objects that a detach deletes: a number from 0 to 100. Larger numbers are deleted
/// later.
pub const CLEANUP_PRIORITY: &str = "open-cluster-management.io/cleanup-priority";
/// The signer of certificates for the hub's API server.
pub const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
/// The default namespace of agents on managed clusters.
pub const DEFAULT_NAMESPACE: &str = "open-cluster-management-agent-addon";
/// Label of a namespace on a managed cluster into which the klusterlet copies its image pull Secret.
pub const PULLS_IMAGES: &str = "addon.open-cluster-management.io/namespace";
/// The name of that Secret, there and in the namespace that it is copied from.
pub const PULL_SECRET: &str = "open-cluster-management-image-pull-credentials";

/// Condition: the add-on works.
pub const AVAILABLE: &str = "Available";
/// Condition: its agent may register at the hub.
pub const REGISTRATION_APPLIED: &str = "RegistrationApplied";
/// Condition: its agent is deployed.
pub const MANIFEST_APPLIED: &str = "ManifestApplied";

/// A version of the API. Hubs of older releases serve only `V1alpha1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// The version that all releases so far store.
    V1alpha1,
    /// The version that newer releases serve too, by conversion.
    V1beta1,
}

impl Version {
    /// The version as it is written in `apiVersion`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1alpha1 => "v1alpha1",
            Self::V1beta1 => "v1beta1",
        }
    }
}
