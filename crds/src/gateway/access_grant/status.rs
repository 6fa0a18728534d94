//! The status of an `AccessGrant` on each cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The reason of a cluster that is Pending because its rights are being removed.
pub const REMOVING: &str = "Removing";

/// The observed state of a grant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessGrantStatus {
    /// Generation of the grant that this status describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether the hub has judged that the author of the grant may grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
    /// Condition Ready: the grant is in effect on all of its clusters.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Time when the grant ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Numbers of clusters, by their state.
    pub clusters: GrantCounts,
    /// State of the grant on each cluster, including clusters that it is being removed from, sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub cluster_states: Vec<ClusterGrant>,
}

/// Whether the admission policy of the hub has judged a grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Judgement {
    /// Generation of the grant that this is about.
    pub generation: i64,
    /// Whether this generation was judged when it was written. If not, it is held back.
    pub judged: bool,
    /// Revision of the policy that was in force when the operator looked at the grant.
    pub policy: String,
}

/// Numbers of clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GrantCounts {
    /// Number of clusters that the grant is for.
    pub total: i32,
    /// Number of clusters where the grant is in effect.
    pub applied: i32,
    /// Number of clusters where the grant is not in effect yet.
    pub pending: i32,
    /// Number of clusters that refuse the grant, or where it is not allowed.
    pub failed: i32,
}

/// A grant on one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterGrant {
    /// Name of the managed cluster.
    pub name: String,
    /// State of the grant on the cluster. Applied: it is in effect. Pending: it is not in effect yet, or is not
    /// completely removed yet. Failed: it cannot be applied. Expired: it has ended and is removed.
    pub state: GrantState,
    /// Time since which the grant has been in this state.
    pub since: Time,
    /// Reason in one word, if the grant is not in effect.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why the grant is not in effect, and what you can do about it. If the managed cluster refuses the
    /// grant, this is its answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// State of a grant on a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GrantState {
    /// The grant is in effect.
    Applied,
    /// The grant is not in effect yet, or is not completely removed yet.
    Pending,
    /// The grant cannot be applied.
    Failed,
    /// The grant has ended and is removed.
    Expired,
}
