//! `addon.open-cluster-management.io`: add-ons of Open Cluster Management, in the two versions that
//! hubs serve. Only what Spokeway reads or writes is here; what is written goes by server-side apply.

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
/// Resource by which add-ons' agents are configured.
pub const DEPLOYMENT_CONFIGS: &str = "addondeploymentconfigs";
/// Label of whatever belongs to an add-on: its name.
pub const ADDON_LABEL: &str = "open-cluster-management.io/addon-name";
/// Label of an add-on's certificate requests: the name of the cluster.
pub const CLUSTER_LABEL: &str = "open-cluster-management.io/cluster-name";
/// Annotation of a managed cluster, `"true"`: add-ons are not installed unasked.
pub const NO_INSTALL: &str = "addon.open-cluster-management.io/disable-automatic-installation";
/// Finalizer: what an add-on left on its cluster goes before it.
pub const PRE_DELETE: &str = "addon.open-cluster-management.io/addon-pre-delete";
/// Annotation of an add-on's work: which configurations it carries out.
pub const CONFIG_HASHES: &str = "open-cluster-management.io/config-spec-hash";
/// Annotation of what a detach deletes: 0 to 100, the larger the later.
pub const CLEANUP_PRIORITY: &str = "open-cluster-management.io/cleanup-priority";
/// Signer of certificates for the hub's API server.
pub const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
/// Namespace on managed clusters that agents are installed in where nothing is said.
pub const DEFAULT_NAMESPACE: &str = "open-cluster-management-agent-addon";

/// Condition: the add-on works.
pub const AVAILABLE: &str = "Available";
/// Condition: its agent may register at the hub.
pub const REGISTRATION_APPLIED: &str = "RegistrationApplied";
/// Condition: its agent is deployed.
pub const MANIFEST_APPLIED: &str = "ManifestApplied";

/// A version of the API. Hubs of older releases serve only the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// Stored by all releases so far.
    V1alpha1,
    /// Served besides by newer ones, by conversion.
    V1beta1,
}

impl Version {
    /// As objects spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1alpha1 => "v1alpha1",
            Self::V1beta1 => "v1beta1",
        }
    }
}
