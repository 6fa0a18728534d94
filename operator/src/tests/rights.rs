//! The operator's own rights, as they are shipped.

use std::collections::BTreeSet;

use crds::addon::Version;
use serde_json::{Value, json};

use super::model::Hub;
use crate::kind::Kind;

const OPERATOR: &str = include_str!("../../../config/operator/rbac.yaml");
const SHIPPED: [&str; 2] = [
    include_str!("../../../config/agent/rbac-hub.yaml"),
    include_str!("../../../config/gateway/rbac.yaml"),
];
const OF_KUBERNETES: [&str; 2] = [
    "system:auth-delegator",
    "extension-apiserver-authentication-reader",
];

fn rules() -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(OPERATOR).unwrap();
    let rules = documents.iter().filter_map(|it| it["rules"].as_array());
    rules.flatten().cloned().collect()
}

fn has(rule: &Value, field: &str, value: &str) -> bool {
    let values = rule[field].as_array().into_iter().flatten();
    values.into_iter().any(|it| it == value)
}

fn is_of_roles(rule: &Value) -> bool {
    ["roles", "clusterroles", "*"]
        .iter()
        .any(|it| has(rule, "resources", it))
}

#[test]
fn it_changes_no_role_and_binds_only_those_that_are_named() {
    for rule in rules() {
        assert!(
            !has(&rule, "verbs", "*") && !has(&rule, "verbs", "escalate"),
            "{rule}"
        );
        if is_of_roles(&rule) {
            for verb in ["create", "update", "patch", "delete", "deletecollection"] {
                assert!(!has(&rule, "verbs", verb), "{rule}");
            }
            let is_named = rule["resourceNames"].is_array();
            assert!(is_named || !has(&rule, "verbs", "bind"), "{rule}");
        }
    }
}

#[test]
fn every_role_that_it_binds_is_shipped_and_is_one_that_it_may_bind() {
    let shipped = SHIPPED.iter().flat_map(|file| {
        let roles: Vec<Value> = serde_saphyr::from_multiple(file).unwrap();
        roles
    });
    let names = shipped.map(|role| role["metadata"]["name"].as_str().unwrap().to_owned());
    let mut known: BTreeSet<_> = names.collect();
    known.extend(OF_KUBERNETES.map(str::to_owned));
    let may = rules().into_iter().filter(|it| has(it, "verbs", "bind"));
    let may: BTreeSet<String> = may
        .flat_map(|rule| rule["resourceNames"].as_array().unwrap().clone())
        .filter_map(|it| it.as_str().map(str::to_owned))
        .collect();
    assert_eq!(may, known);

    let mut hub = Hub::configured(Version::V1beta1);
    hub.configure(&json!({"server": {"deployment": "Managed"}}));
    hub.accept("managed1", &json!({}));
    hub.settle();
    let bindings = [Kind::RoleBinding, Kind::ClusterRoleBinding];
    let bindings = bindings.into_iter().flat_map(|kind| hub.observed.all(kind));
    let bound: BTreeSet<String> = bindings
        .map(|(_, it)| it.data["roleRef"]["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(bound, may);
}
