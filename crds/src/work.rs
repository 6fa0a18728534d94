//! `work.open-cluster-management.io/v1`: `ManifestWork`, which carries objects to a managed cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Deserialize;

/// API group.
pub const GROUP: &str = "work.open-cluster-management.io";
/// Condition: all objects are on the managed cluster.
pub const APPLIED: &str = "Applied";

/// What became of a work.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManifestWorkStatus {
    /// How it is.
    pub conditions: Vec<Condition>,
}

impl ManifestWorkStatus {
    /// The word on whether that generation is applied; none before the cluster has looked at it.
    pub fn applied(&self, generation: i64) -> Option<&Condition> {
        self.conditions.iter().find(|condition| {
            condition.type_ == APPLIED && condition.observed_generation == Some(generation)
        })
    }
}
