//! The status of a `GatewayConfiguration`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The observed state of the gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewayConfigurationStatus {
    /// Generation of the configuration that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions: Available, Progressing, Degraded, and one for each component.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Numbers of selected clusters, by their state.
    pub clusters: ClusterCounts,
    /// Clusters that are not ready, at most 20. Clusters for which the hub refuses writes come first, then
    /// those that have not been ready for the longest time.
    pub troubled: Vec<TroubledCluster>,
    /// The components that run, with their versions.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub components: Vec<ComponentVersion>,
    /// Namespace in which the objects of the gateway server are. After a change of spec.server.namespace it is
    /// the earlier one until they are removed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_namespace: Option<String>,
}

/// Numbers of clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterCounts {
    /// Number of selected clusters.
    pub total: i32,
    /// Number of selected clusters that the gateway can reach.
    pub connected: i32,
    /// Number of connected clusters whose add-ons are available.
    pub ready: i32,
}

/// A cluster that is not ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TroubledCluster {
    /// Name of the managed cluster.
    pub name: String,
    /// Reason in one word, in CamelCase.
    pub reason: String,
    /// What is wrong, and what you can do about it.
    pub message: String,
    /// Time since which the cluster has not been ready for this reason.
    pub since: Time,
}

/// The version of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ComponentVersion {
    /// Name of the component.
    pub name: String,
    /// Version of the component, or its container image.
    pub version: String,
}
