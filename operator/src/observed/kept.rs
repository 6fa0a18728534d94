//! Drops from an observed object what no plan reads, and clips what managed clusters say. With
//! thousands of clusters that is most of the memory. Pure.

use crds::addon::CLUSTER_LABEL;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::core::DynamicObject;
use kubernetes::words::clipped;
use serde_json::{Map, Value, json};

use crate::{
    kind::Kind,
    manifest::{self, Manifest},
};

/// The field that stands for a namespace's content: the cluster that it was created for.
pub(crate) const MADE_FOR: &str = "madeFor";
/// The label that every API server adds to a namespace when it is created.
const OF_CREATION: &str = "f:kubernetes.io/metadata.name";
/// The path of a work's manifests.
const MANIFESTS: &str = "/spec/workload/manifests";

/// Removes from an object what no plan reads. Who manages its fields is read only of objects that
/// somebody else changes back.
pub(crate) fn reduce(kind: Kind, object: &mut DynamicObject, is_disputed: bool) {
    let managers = object.metadata.managed_fields.take().unwrap_or_default();
    if kind == Kind::Namespace {
        object.data = json!({MADE_FOR: made_for(object, &managers)});
        return;
    }
    if is_policy(kind) {
        // They say when somebody changed the policy last.
        object.metadata.managed_fields = Some(managers);
        return;
    }
    // Of these there are three, and who chose a default counts.
    let is_addon = kind == Kind::ClusterManagementAddOn;
    object.metadata.managed_fields = (is_disputed || is_addon).then_some(managers);
    match kind {
        Kind::ManagedCluster => {
            if let Some(status) = object.data.get_mut("status") {
                keep_available(status);
            }
        }
        Kind::ManagedServiceAccount => {
            if let Some(fields) = object.data.as_object_mut() {
                fields.remove("status");
            }
        }
        Kind::ManagedClusterAddOn => {
            if let Some(status) = object.data.get_mut("status").and_then(Value::as_object_mut) {
                status.remove("relatedObjects");
                clip_conditions(status);
            }
        }
        Kind::ManifestWork => {
            if let Some(manifests) = object.data.pointer_mut(MANIFESTS)
                && let Value::Array(all) = manifests
            {
                let all: Vec<_> = all.drain(..).map(Manifest::from).collect();
                *manifests = manifest::hash(&all).into();
            }
            if let Some(status) = object.data.get_mut("status").and_then(Value::as_object_mut) {
                keep(status, "conditions");
                clip_conditions(status);
            }
        }
        _ => {}
    }
}

fn is_policy(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ValidatingAdmissionPolicy | Kind::ValidatingAdmissionPolicyBinding
    )
}

/// The cluster that a namespace was created for: whoever created it gave it the label of the cluster
/// at once. Open Cluster Management puts that label on a namespace that exists already, too.
fn made_for<'a>(namespace: &'a DynamicObject, managers: &[ManagedFieldsEntry]) -> Option<&'a str> {
    let of_cluster = format!("f:{CLUSTER_LABEL}");
    let created = managers.iter().any(|manager| {
        let fields = manager.fields_v1.as_ref();
        let labels = fields.map(|fields| &fields.0["f:metadata"]["f:labels"]);
        labels.is_some_and(|it| !it[OF_CREATION].is_null() && !it[&of_cluster].is_null())
    });
    let label = namespace.metadata.labels.as_ref()?.get(CLUSTER_LABEL)?;
    created.then_some(label)
}

/// Keeps of a cluster's status only whether it is available, and since when.
fn keep_available(status: &mut Value) {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let available = conditions
        .filter(|it| it["type"] == "ManagedClusterConditionAvailable")
        .map(|it| {
            let kept = ["type", "status", "lastTransitionTime"]
                .map(|field| (field.to_owned(), it[field].clone()));
            Value::Object(kept.into_iter().collect())
        });
    *status = json!({"conditions": available.collect::<Vec<_>>()});
}

/// Managed clusters write these conditions, and their words end up in the status of objects of ours.
fn clip_conditions(status: &mut Map<String, Value>) {
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        for field in ["reason", "message"] {
            if let Some(Value::String(said)) = condition.get_mut(field) {
                *said = clipped(said);
            }
        }
    }
}

fn keep(fields: &mut Map<String, Value>, name: &str) {
    fields.retain(|field, _| field == name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cluster_says_is_clipped_and_obeyed_by_no_terminal() {
        let said = format!("\u{1b}[2J{}", "x".repeat(1 << 20));
        for kind in [Kind::ManagedClusterAddOn, Kind::ManifestWork] {
            let mut object: DynamicObject = serde_json::from_value(json!({
                "metadata": {"name": "x"},
                "status": {"conditions": [{"type": "Available", "message": said}]},
            }))
            .unwrap();
            reduce(kind, &mut object, false);
            let message = &object.data["status"]["conditions"][0]["message"];
            let message = message.as_str().unwrap();
            assert!(message.starts_with("\u{fffd}[2Jxxx"), "{message}");
            assert!(message.len() < 1000);
        }
    }

    #[test]
    fn of_a_work_its_conditions_and_a_hash_are_kept_and_of_a_disputed_one_its_managers() {
        let mut work: DynamicObject = serde_json::from_value(json!({
            "metadata": {"name": "w", "managedFields": [{"manager": "other", "fieldsV1": {"f:spec": {}}}]},
            "spec": {"workload": {"manifests": [{"kind": "A"}]}, "deleteOption": {"x": 1}},
            "status": {"conditions": [{"type": "Applied"}], "resourceStatus": {"manifests": [1]}},
        }))
        .unwrap();
        let mut disputed = work.clone();
        reduce(Kind::ManifestWork, &mut disputed, true);
        assert_eq!(disputed.metadata.managed_fields.unwrap().len(), 1);
        reduce(Kind::ManifestWork, &mut work, false);
        assert_eq!(work.metadata.managed_fields, None);
        assert_eq!(
            work.data["status"],
            json!({"conditions": [{"type": "Applied"}]})
        );
        let wanted = manifest::hash(&[json!({"kind": "A"}).into()]);
        assert_eq!(work.data["spec"]["workload"]["manifests"], wanted);
        assert_eq!(work.data["spec"]["deleteOption"], json!({"x": 1}));
    }

    #[test]
    fn of_a_namespace_it_is_kept_whom_it_was_created_for() {
        let read = |managers: Value| {
            let mut namespace: DynamicObject = serde_json::from_value(json!({
                "metadata": {
                    "name": "managed1", "managedFields": managers,
                    "labels": {"kubernetes.io/metadata.name": "managed1", CLUSTER_LABEL: "managed1"},
                },
                "spec": {"finalizers": ["kubernetes"]},
            }))
            .unwrap();
            reduce(Kind::Namespace, &mut namespace, false);
            namespace.data[MADE_FOR].as_str().map(str::to_owned)
        };
        let manager = |name: &str, labels: &[&str]| {
            let labels = labels.iter().map(|it| (format!("f:{it}"), json!({})));
            let labels = Value::Object(labels.collect());
            json!({"manager": name, "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": labels}}})
        };
        let own = "kubernetes.io/metadata.name";
        let by_ocm = json!([manager("registration", &[own, CLUSTER_LABEL])]);
        assert_eq!(read(by_ocm).as_deref(), Some("managed1"));
        let later = json!([
            manager("kubectl-create", &[own]),
            manager("registration", &[CLUSTER_LABEL]),
        ]);
        assert_eq!(read(later), None);
        assert_eq!(read(json!([])), None);
    }
}
