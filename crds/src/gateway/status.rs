//! What became of a `GatewayConfiguration`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayConfigurationStatus {
    /// The generation of the configuration that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Available, Progressing, Degraded, and one per component.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// How many clusters there are, and how they are.
    pub clusters: ClusterCounts,
    /// Clusters that are not ready, those that the hub refuses writes for first, then those longest in
    /// trouble; at most 20.
    pub troubled: Vec<TroubledCluster>,
    /// What runs, and in which version.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub components: Vec<ComponentVersion>,
}

/// Numbers of clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterCounts {
    /// Clusters that are selected.
    pub total: i32,
    /// Those of them that the gateway has a way to.
    pub connected: i32,
    /// Those of them that are connected and whose add-ons are available.
    pub ready: i32,
}

/// A cluster that is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TroubledCluster {
    /// Name of the managed cluster.
    pub name: String,
    /// What is wrong, in one word.
    pub reason: String,
    /// What is wrong, and what can be done.
    pub message: String,
    /// Since when.
    pub since: Time,
}

/// A component's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentVersion {
    /// Name of the component.
    pub name: String,
    /// Its version, or the image that it comes from.
    pub version: String,
}
