//! A work that carries grants, parsed once per state: the grants in it with their generations, and
//! what the cluster reports about each.

use std::collections::BTreeMap;

use crds::work::ManifestWorkStatus;
use kube::core::DynamicObject;
use kubernetes::words::clipped;
use serde_json::Value;

use super::Grant;
use crate::object::part;

/// The annotations on each object of a grant.
pub(super) const GRANT: &str = "gateway.open-cluster-management.io/grant";
pub(super) const UID: &str = "gateway.open-cluster-management.io/grant-uid";
pub(super) const GENERATION: &str = "gateway.open-cluster-management.io/grant-generation";

/// A work that carries grants.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shipped {
    /// The cluster has applied the work as it is now, and deleted what an earlier state had added.
    pub(crate) is_current: bool,
    /// The grants by name.
    pub(crate) grants: BTreeMap<String, HeldGrant>,
}

/// A grant in a work.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct HeldGrant {
    pub(crate) uid: String,
    pub(crate) generation: i64,
    /// The error that the cluster reports for an object of the grant.
    pub(crate) error: Option<String>,
}

impl HeldGrant {
    /// True if the cluster is told to carry the grant as it is now.
    pub(crate) fn is_of(&self, grant: &Grant) -> bool {
        self.uid == grant.uid() && self.generation == grant.generation()
    }
}

impl Shipped {
    pub(crate) fn read(work: &DynamicObject) -> Self {
        let status = part::<ManifestWorkStatus>(work, "status").unwrap_or_default();
        let generation = work.metadata.generation.unwrap_or_default();
        let is_deleting = work.metadata.deletion_timestamp.is_some();
        let mut shipped = Self {
            is_current: !is_deleting && status.applied(generation).is_some(),
            grants: BTreeMap::new(),
        };
        if is_deleting {
            return shipped;
        }
        let mut errors = BTreeMap::new();
        for manifest in &status.resource_status.manifests {
            let applied = manifest.applied().filter(|it| it.status == "False");
            if let Some(applied) = applied {
                errors.insert(manifest.resource_meta.ordinal, &applied.message);
            }
        }
        let manifests = work.data["spec"]["workload"]["manifests"].as_array();
        for (ordinal, manifest) in manifests.into_iter().flatten().enumerate() {
            let annotations = &manifest["metadata"]["annotations"];
            let Some(name) = annotations[GRANT].as_str() else {
                continue;
            };
            let text = |key| Value::as_str(&annotations[key]).unwrap_or_default();
            let held = shipped.grants.entry(name.to_owned()).or_default();
            text(UID).clone_into(&mut held.uid);
            held.generation = text(GENERATION).parse().unwrap_or_default();
            let error = errors.get(&ordinal).map(|it| clipped(it));
            held.error = held.error.take().or(error);
        }
        shipped
    }
}
