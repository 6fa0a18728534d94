//! A work that carries grants, parsed once per state: the grants in it with their generations, and
//! what the cluster reports about each.

use std::collections::BTreeMap;

use crds::work::{ManifestWorkStatus, ResourceMeta};
use jiff::Timestamp;
use kube::core::DynamicObject;
use kubernetes::words::clipped;
use serde_json::Value;

use super::Grant;
use crate::{names::MANAGER, object::part};

/// The annotations on each object of a grant.
pub(super) const GRANT: &str = "gateway.open-cluster-management.io/grant";
pub(super) const UID: &str = "gateway.open-cluster-management.io/grant-uid";
pub(super) const GENERATION: &str = "gateway.open-cluster-management.io/grant-generation";
/// The annotation on bindings of a grant that has ended on the cluster.
pub(super) const ENDED: &str = "gateway.open-cluster-management.io/grant-ended";

/// The names of all objects of grants begin so.
pub(super) const OBJECT_PREFIX: &str = "spokeway:grant:";

/// A work that carries grants.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shipped {
    /// The cluster has tried to apply the work as it is now, and to delete what an earlier state had
    /// added. What it could not apply is reported for each grant; what it could not delete is not.
    pub(crate) is_current: bool,
    /// When the operator wrote it last, or when it was deleted.
    pub(crate) wanted_since: Option<Timestamp>,
    /// Bindings and roles of grants that the cluster has by its last word, although the work no longer
    /// lists them, or lists them as those of nobody, until it is current.
    pub(crate) lingering: Vec<String>,
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
            wanted_since: wanted_since(work),
            ..Self::default()
        };
        let listed = work.data["spec"]["workload"]["manifests"].as_array();
        let listed = listed.filter(|_| !is_deleting);
        if !shipped.is_current {
            shipped.lingering = lingering(&status, listed.map(Vec::as_slice).unwrap_or_default());
        }
        if is_deleting {
            return shipped;
        }
        let reports = status.resource_status.manifests.iter();
        let reports = reports.map(|it| (it.resource_meta.ordinal, it));
        let reports: BTreeMap<_, _> = reports.collect();
        for (ordinal, manifest) in listed.into_iter().flatten().enumerate() {
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

/// The API server notes when each manager last changed an object.
fn wanted_since(work: &DynamicObject) -> Option<Timestamp> {
    let metadata = &work.metadata;
    let deleted = metadata.deletion_timestamp.as_ref();
    let managers = metadata.managed_fields.iter().flatten();
    let own =
        managers.filter(|it| it.manager.as_deref() == Some(MANAGER) && it.subresource.is_none());
    let written = own
        .filter_map(|it| it.time.as_ref())
        .max_by_key(|time| time.0);
    deleted.or(written).map(|time| time.0)
}

fn lingering(status: &ManifestWorkStatus, listed: &[Value]) -> Vec<String> {
    let is_listed = |meta: &ResourceMeta| {
        listed.iter().any(|it| {
            let metadata = &it["metadata"];
            if metadata["annotations"][ENDED] == "true" {
                return false;
            }
            let namespace = metadata["namespace"].as_str().unwrap_or_default();
            it["kind"] == meta.kind.as_str()
                && metadata["name"] == meta.name.as_str()
                && namespace == meta.namespace
        })
    };
    let there = status
        .resource_status
        .manifests
        .iter()
        .map(|it| &it.resource_meta);
    let there = there.filter(|meta| meta.name.starts_with(OBJECT_PREFIX) && !is_listed(meta));
    let named = there.map(|meta| {
        let slash = if meta.namespace.is_empty() { "" } else { "/" };
        clipped(&format!(
            "{} {}{slash}{}",
            meta.kind, meta.namespace, meta.name
        ))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(metadata: &Value, listed: &[&str], applied: i64) -> Shipped {
        let object = |name: &str| {
            let metadata = match name.split_once('/') {
                Some((namespace, name)) => json!({"namespace": namespace, "name": name}),
                None => json!({"name": name}),
            };
            json!({"kind": "RoleBinding", "metadata": metadata})
        };
        let names = [
            "spokeway:gateway-impersonation",
            "shop/spokeway:grant:a:1",
            "spokeway:grant:b:2",
        ];
        let there = names.iter().enumerate().map(|(ordinal, name)| {
            let (namespace, name) = name.split_once('/').unwrap_or(("", name));
            json!({"resourceMeta": {
                "ordinal": ordinal, "kind": "RoleBinding", "namespace": namespace, "name": name,
            }})
        });
        let manifests: Vec<_> = listed.iter().map(|it| object(it)).collect();
        let mut work = json!({
            "apiVersion": "work.open-cluster-management.io/v1", "kind": "ManifestWork",
            "metadata": {"name": "spokeway-access-0", "generation": 2},
            "spec": {"workload": {"manifests": manifests}},
            "status": {
                "conditions": [{
                    "type": "Applied", "status": "True", "reason": "x", "message": "",
                    "observedGeneration": applied, "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
                "resourceStatus": {"manifests": there.collect::<Vec<_>>()},
            },
        });
        for (field, value) in metadata.as_object().unwrap() {
            work["metadata"][field] = value.clone();
        }
        Shipped::read(&serde_json::from_value(work).unwrap())
    }

    #[test]
    fn what_the_cluster_still_has_lingers_until_the_work_is_current() {
        let (a, b) = (
            "RoleBinding shop/spokeway:grant:a:1",
            "RoleBinding spokeway:grant:b:2",
        );
        let none = json!({});
        assert_eq!(read(&none, &["spokeway:grant:b:2"], 1).lingering, [a]);
        assert_eq!(read(&none, &["spokeway:grant:a:1"], 1).lingering, [a, b]);
        assert_eq!(read(&none, &[], 2).lingering, [""; 0]);
        let deleted = json!({"deletionTimestamp": "2026-01-02T00:00:00Z"});
        let deleted = read(
            &deleted,
            &["shop/spokeway:grant:a:1", "spokeway:grant:b:2"],
            2,
        );
        assert_eq!(deleted.lingering, [a, b]);
        assert_eq!(
            deleted.wanted_since.unwrap().to_string(),
            "2026-01-02T00:00:00Z"
        );
    }

    #[test]
    fn a_work_is_wanted_since_the_operator_wrote_it_last() {
        let manager = |name: &str, time: &str, more: &Value| {
            let mut entry = json!({"manager": name, "operation": "Apply", "time": time});
            for (field, value) in more.as_object().unwrap() {
                entry[field] = value.clone();
            }
            entry
        };
        let managers = json!({"managedFields": [
            manager(MANAGER, "2026-01-01T00:00:00Z", &json!({})),
            manager("somebody", "2026-01-02T00:00:00Z", &json!({})),
            manager(MANAGER, "2026-01-03T00:00:00Z", &json!({"subresource": "status"})),
        ]});
        let since = read(&managers, &[], 2).wanted_since;
        assert_eq!(since.unwrap().to_string(), "2026-01-01T00:00:00Z");
        assert_eq!(read(&json!({}), &[], 2).wanted_since, None);
    }
}
