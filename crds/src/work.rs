//! `work.open-cluster-management.io/v1`: `ManifestWork`, which carries objects to a managed
//! cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Deserialize;

/// API group.
pub const GROUP: &str = "work.open-cluster-management.io";
/// Condition: all objects exist on the managed cluster.
pub const APPLIED: &str = "Applied";

/// Condition of an object of a work: it exists on the managed cluster.
pub const AVAILABLE: &str = "Available";

/// The status of a work.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManifestWorkStatus {
    /// The conditions of the work.
    pub conditions: Vec<Condition>,
    /// The status of its objects.
    pub resource_status: ResourceStatus,
}

/// The status of the objects of a work.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ResourceStatus {
    /// The status of each object.
    pub manifests: Vec<ManifestStatus>,
}

/// The status of one object of a work.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManifestStatus {
    /// The object.
    pub resource_meta: ResourceMeta,
    /// The conditions of the object.
    pub conditions: Vec<Condition>,
}

/// Identifies an object of a work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ResourceMeta {
    /// The index of the object among the manifests.
    pub ordinal: usize,
    /// Its kind.
    pub kind: String,
    /// Its namespace. Empty if the kind is cluster-scoped.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ManifestStatus {
    /// The condition that says whether the object is applied. `None` until the cluster has tried.
    pub fn applied(&self) -> Option<&Condition> {
        self.condition(APPLIED)
    }

    /// True if the cluster has looked for the object and it was not there.
    pub fn is_missing(&self) -> bool {
        self.condition(AVAILABLE)
            .is_some_and(|condition| condition.status == "False")
    }

    fn condition(&self, kind: &str) -> Option<&Condition> {
        let mut conditions = self.conditions.iter();
        conditions.find(|condition| condition.type_ == kind)
    }
}

impl ManifestWorkStatus {
    /// The condition that says whether this generation is applied. `None` until the cluster has
    /// looked at it.
    pub fn applied(&self, generation: i64) -> Option<&Condition> {
        self.conditions.iter().find(|condition| {
            condition.type_ == APPLIED && condition.observed_generation == Some(generation)
        })
    }
}
