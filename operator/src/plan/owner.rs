//! Who owns a field, by an object's `managedFields`. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::core::DynamicObject;
use serde_json::{Map, Value};

use crate::{
    matching::{Path, Step},
    names::MANAGER,
};

/// The manager that owns the field, or a part of it, if it is not the operator. Of several the one that
/// wrote last.
pub(crate) fn other_owner<'a>(object: &'a DynamicObject, path: &Path) -> Option<&'a str> {
    let managers = object.metadata.managed_fields.as_deref()?.iter();
    let owns = |entry: &&ManagedFieldsEntry| {
        entry.manager.as_deref() != Some(MANAGER)
            && (entry.fields_v1.as_ref()).is_some_and(|fields| owns(&fields.0, object, path))
    };
    let last = managers.filter(owns).max_by_key(|it| it.time.clone());
    last?.manager.as_deref()
}

/// Whether these fields include the one at the path. A field without parts of its own is owned whole.
fn owns(fields: &Value, object: &DynamicObject, path: &Path) -> bool {
    let whole = serde_json::to_value(object).unwrap_or_default();
    let (mut fields, mut at) = (fields, &whole);
    for step in path.steps() {
        let Some(own) = fields.as_object() else {
            return false;
        };
        if own.is_empty() {
            return true;
        }
        let (next, below) = match step {
            Step::Field(name) => (own.get(&format!("f:{name}")), &at[name]),
            Step::At(place) => (element(own, &at[place]), &at[place]),
            Step::Keyed { key, value } => {
                let all = at.as_array().map_or(&[][..], Vec::as_slice);
                let found = all.iter().find(|it| it[key] == value.as_str());
                let found = found.unwrap_or(&Value::Null);
                (element(own, found), found)
            }
        };
        let Some(next) = next else {
            return false;
        };
        (fields, at) = (next, below);
    }
    true
}

/// What is owned of one element of a list, whose keys or value the name says.
fn element<'a>(fields: &'a Map<String, Value>, of: &Value) -> Option<&'a Value> {
    let is = |name: &str| {
        if let Some(keys) = name.strip_prefix("k:") {
            let keys = serde_json::from_str::<Map<String, Value>>(keys).unwrap_or_default();
            return !keys.is_empty() && keys.iter().all(|(key, value)| of[key] == *value);
        }
        let value = name.strip_prefix("v:").map(serde_json::from_str::<Value>);
        value.is_some_and(|value| value.is_ok_and(|value| value == *of))
    };
    fields
        .iter()
        .find_map(|(name, fields)| is(name).then_some(fields))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::matching::difference;

    #[test]
    fn only_a_manager_that_owns_the_field_is_named() {
        let manager = |name: &str, time: &str, fields: Value| json!({"manager": name, "operation": "Update", "time": time, "fieldsV1": fields});
        let of_container = |field: &str| json!({"f:spec": {"f:containers": {"k:{\"name\":\"gateway\"}": {".": {}, field: {}}}}});
        let object: DynamicObject = serde_json::from_value(json!({
            "metadata": {"name": "x", "annotations": {"a.b/c": "2"}, "managedFields": [
                manager("patcher", "2026-01-01T00:00:00Z", of_container("f:image")),
                manager("status", "2026-01-09T00:00:00Z", json!({"f:status": {"f:replicas": {}}})),
                manager(MANAGER, "2026-01-10T00:00:00Z", of_container("f:args")),
                manager("annotator", "2026-01-02T00:00:00Z", json!({"f:metadata": {"f:annotations": {"f:a.b/c": {}}}})),
                manager("whole", "2026-01-03T00:00:00Z", json!({"f:spec": {"f:rules": {}}})),
            ]},
            "spec": {"containers": [{"name": "gateway", "image": "b", "args": ["2"]}], "rules": [{"verbs": ["get"]}]},
        }))
        .unwrap();
        for (want, owner) in [
            (
                json!({"spec": {"containers": [{"image": "a"}]}}),
                Some("patcher"),
            ),
            (json!({"spec": {"containers": [{"args": ["1"]}]}}), None),
            (json!({"spec": {"containers": []}}), Some("patcher")),
            (
                json!({"metadata": {"annotations": {"a.b/c": "1"}}}),
                Some("annotator"),
            ),
            (
                json!({"spec": {"rules": [{"verbs": ["list"]}]}}),
                Some("whole"),
            ),
            (json!({"spec": {"absent": 1}}), None),
        ] {
            let whole = serde_json::to_value(&object).unwrap();
            let path = difference(&whole, &want).unwrap();
            assert_eq!(other_owner(&object, &path), owner, "{path}");
        }
    }
}
