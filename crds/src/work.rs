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
    /// How its objects are.
    pub resource_status: ResourceStatus,
}

/// How the objects of a work are.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ResourceStatus {
    /// Each of them.
    pub manifests: Vec<ManifestStatus>,
}

/// How an object of a work is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManifestStatus {
    /// Which one.
    pub resource_meta: ResourceMeta,
    /// How it is.
    pub conditions: Vec<Condition>,
}

/// An object of a work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ResourceMeta {
    /// Its place among the manifests.
    pub ordinal: usize,
}

impl ManifestStatus {
    /// The word on whether it is applied; none before the cluster has tried.
    pub fn applied(&self) -> Option<&Condition> {
        let mut conditions = self.conditions.iter();
        conditions.find(|condition| condition.type_ == APPLIED)
    }
}

impl ManifestWorkStatus {
    /// The word on whether that generation is applied; none before the cluster has looked at it.
    pub fn applied(&self, generation: i64) -> Option<&Condition> {
        self.conditions.iter().find(|condition| {
            condition.type_ == APPLIED && condition.observed_generation == Some(generation)
        })
    }
}
