//! A work of grants as it was read, once per state: which grants it holds, in which generation, and what
//! the cluster says of each.

use std::collections::BTreeMap;

use crds::work::ManifestWorkStatus;
use kube::core::DynamicObject;
use serde_json::Value;

use crate::object::part;

/// Annotations of each object of a grant.
pub(super) const GRANT: &str = "gateway.open-cluster-management.io/grant";
pub(super) const UID: &str = "gateway.open-cluster-management.io/grant-uid";
pub(super) const GENERATION: &str = "gateway.open-cluster-management.io/grant-generation";

/// A work of grants.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shipped {
    /// The cluster has carried out what the work is now, and taken away what it was before.
    pub(crate) is_current: bool,
    /// By name.
    pub(crate) grants: BTreeMap<String, HeldGrant>,
}

/// A grant in a work.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct HeldGrant {
    pub(crate) uid: String,
    pub(crate) generation: i64,
    /// What the cluster says against an object of it.
    pub(crate) error: Option<String>,
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
            let error = errors.get(&ordinal).map(|it| (*it).clone());
            held.error = held.error.take().or(error);
        }
        shipped
    }
}
