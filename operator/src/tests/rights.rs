//! The operator's own rights, as they are shipped.

use std::collections::BTreeSet;

use crds::addon::Version;
use serde_json::{Value, json};

use super::model::Hub;
use crate::{kind::Kind, object::is_ours};

const OPERATOR: &str = include_str!("../../../config/operator/rbac.yaml");
const SHIPPED: [&str; 2] = [
    include_str!("../../../config/agent/rbac-hub.yaml"),
    include_str!("../../../config/gateway/rbac.yaml"),
];
const LEAVING: &str = include_str!("../../../config/operator/leaving-policy.yaml");
const KINDS: [&str; 3] = [
    include_str!("../../../config/crds/accessgrants.yaml"),
    include_str!("../../../config/crds/gatewayconfigurations.yaml"),
    include_str!("../../../config/crds/managedserviceaccounts.yaml"),
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

/// A policy may hold back only what the operator does not delete itself.
#[test]
fn what_it_needs_to_clean_up_is_held_by_the_policy_on_leaving_and_nothing_that_it_deletes() {
    let files = SHIPPED.iter().chain(&KINDS).chain([&OPERATOR]);
    let needed = files.flat_map(|file| {
        let objects: Vec<Value> = serde_saphyr::from_multiple(file).unwrap();
        objects
    });
    let needed: BTreeSet<_> = needed
        .map(|it| {
            let kind = it["kind"].as_str().unwrap().to_lowercase();
            let name = it["metadata"]["name"].as_str().unwrap();
            (format!("{kind}s"), name.to_owned())
        })
        .collect();
    let policy: Vec<Value> = serde_saphyr::from_multiple(LEAVING).unwrap();
    let mut held = BTreeSet::new();
    let rules = policy[0]["spec"]["matchConstraints"]["resourceRules"].clone();
    for rule in rules.as_array().unwrap() {
        let words = |field: &str| {
            let words = rule[field].as_array().into_iter().flatten();
            let words = words.filter_map(|it| it.as_str().map(str::to_owned));
            words.collect::<Vec<_>>()
        };
        for resource in words("resources") {
            let names = words("resourceNames").into_iter();
            held.extend(names.map(|name| (resource.clone(), name)));
        }
    }
    let missing: Vec<_> = needed.difference(&held).collect();
    assert!(missing.is_empty(), "{missing:?}");

    let mut hub = Hub::configured(Version::V1beta1);
    hub.configure(&json!({"server": {"deployment": "Managed"}}));
    hub.accept("managed1", &json!({}));
    hub.settle();
    let all = Kind::ALL
        .iter()
        .copied()
        .flat_map(|kind| hub.observed.all(kind));
    for (key, _) in all.filter(|(_, it)| is_ours(it)) {
        let resource = format!("{}s", key.kind.as_str().to_lowercase());
        assert!(!held.contains(&(resource, key.name.clone())), "{key}");
    }
}
