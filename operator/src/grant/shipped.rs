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
/// The annotation on bindings of a grant that has ended on the cluster.
pub(super) const ENDED: &str = "gateway.open-cluster-management.io/grant-ended";

/// A work that carries grants.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shipped {
    /// The cluster has tried to apply the work as it is now, and to delete what an earlier state had
    /// added. What it could not apply is reported for each grant; what it could not delete is not.
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
    /// The cluster has looked for an object of the grant, and it was not there.
    pub(crate) is_missing: bool,
    /// The grant has ended, and its bindings name nobody.
    pub(crate) has_ended: bool,
    /// The name of its objects.
    pub(crate) objects: String,
    /// How many of its objects the cluster has not reported as applied.
    unapplied: usize,
}

impl HeldGrant {
    /// True if the cluster is told to carry the grant as it is now.
    pub(crate) fn is_of(&self, grant: &Grant) -> bool {
        !self.has_ended && self.uid == grant.uid() && self.generation == grant.generation()
    }

    /// True if every object of it is as the work says, provided that the work is current.
    pub(crate) fn is_applied(&self) -> bool {
        self.unapplied == 0
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
        let reports = status.resource_status.manifests.iter();
        let reports = reports.map(|it| (it.resource_meta.ordinal, it));
        let reports: BTreeMap<_, _> = reports.collect();
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
            held.has_ended = annotations[ENDED] == "true";
            held.objects = text_of(&manifest["metadata"]["name"]);
            let report = reports.get(&ordinal);
            held.is_missing |= report.is_some_and(|it| it.is_missing());
            let report = report.and_then(|it| it.applied());
            let error = report.filter(|it| it.status == "False");
            held.error = held
                .error
                .take()
                .or_else(|| error.map(|it| clipped(&it.message)));
            held.unapplied += usize::from(report.is_none_or(|it| it.status != "True"));
        }
        shipped
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
