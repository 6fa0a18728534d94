//! What became of an `AccessGrant`, cluster by cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reason of a cluster that is Pending since its rights are being taken away.
pub const REMOVING: &str = "Removing";

/// What became of the grant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessGrantStatus {
    /// The generation of the grant that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: it holds on all of its clusters.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// How many clusters there are, and how they are.
    pub clusters: GrantCounts,
    /// Each of its clusters, and those that it is being taken away from, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub cluster_states: Vec<ClusterGrant>,
}

/// Numbers of clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GrantCounts {
    /// Clusters that it is for.
    pub total: i32,
    /// Those of them where it holds.
    pub applied: i32,
    /// Those of them where it does not hold yet.
    pub pending: i32,
    /// Those of them that refuse it, or that it may not be granted on.
    pub failed: i32,
}

/// A grant on one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterGrant {
    /// Name of the managed cluster.
    pub name: String,
    /// How it is there.
    pub state: GrantState,
    /// Since when.
    pub since: Time,
    /// Why, in one word, where it does not hold.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, and what can be done, where it does not hold; in the managed cluster's own words where it
    /// refuses.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// How a grant is on a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GrantState {
    /// It holds there.
    Applied,
    /// It does not hold yet, or not all of it is gone yet.
    Pending,
    /// It cannot be carried out there.
    Failed,
    /// It has ended, and is gone there.
    Expired,
}
