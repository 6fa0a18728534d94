//! `MyCluster`: a cluster on which a caller has grants, as the gateway tells the caller itself.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::{Deserialize, Serialize};

use crate::gateway::GrantState;

/// The path of the list, which every authenticated caller may get.
pub const MY_CLUSTERS_PATH: &str = "/apis/cluster.core.oam.dev/v1alpha1/myclusters";

/// The clusters on which the caller has grants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MyClusterList {
    /// The clusters, by name.
    pub items: Vec<MyCluster>,
}

/// A cluster on which the caller has grants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MyCluster {
    /// Its name.
    pub metadata: ObjectMeta,
    /// What the caller has there.
    pub status: MyClusterStatus,
}

/// What a caller has on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MyClusterStatus {
    /// Whether the gateway reaches the cluster. Absent if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<bool>,
    /// The caller's grants that have not ended, by name.
    pub grants: Vec<MyGrant>,
}

/// A grant of the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MyGrant {
    /// Its name.
    pub name: String,
    /// The `ClusterRole`, or `rules`.
    pub role: String,
    /// The namespaces that it is limited to. Empty for the whole cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Whether it counts on the cluster.
    pub state: GrantState,
    /// Why it does not count.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}
