//! Questions, and the answers from grants.

use serde_json::{Value, json};

use super::*;
use crate::fleet::tests::fleet;

fn grant(name: &str, more: &Value) -> AccessGrant {
    let mut grant = json!({
        "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
        "metadata": {"name": name, "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "clusters": {"selector": {}},
            "subjects": [{"kind": "User", "name": "alice"}],
            "role": {"clusterRole": "view"},
        },
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        grant["spec"][field] = value.clone();
    }
    serde_json::from_value(grant).unwrap()
}

fn question(verb: &str, resource: &str) -> Question {
    Question {
        verb: verb.to_owned(),
        group: String::new(),
        resource: resource.to_owned(),
        subresource: None,
        is_namespaced: !["nodes", "namespaces"].contains(&resource),
        namespace: None,
    }
}

fn rules(all: Value) -> Vec<PolicyRule> {
    serde_json::from_value(all).unwrap()
}

fn pods() -> Vec<PolicyRule> {
    rules(json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]))
}

/// The answer for clusters `a` and `b` with these roles.
fn answer(grants: &[AccessGrant], roles: &[(&str, &str, Role)], question: &Question) -> Answer {
    let fleet = fleet(&[("a", "prod"), ("b", "test")]);
    let clusters = ["a", "b", "gone"].map(str::to_owned).into();
    let candidates = candidates(grants, &fleet, &clusters, question);
    let roles = roles.iter().map(|(cluster, name, role)| {
        let of = ((*cluster).to_owned(), (*name).to_owned());
        (of, role.clone())
    });
    of(&candidates, &roles.collect(), question)
}

fn lines(answer: &Answer) -> Vec<String> {
    answer
        .rows
        .iter()
        .map(|row| row.cells().join(" "))
        .collect()
}

#[test]
fn a_cluster_role_is_what_each_cluster_has() {
    let grants = [grant("g", &json!({"expiresAfter": "8h"}))];
    let roles = [
        ("a", "view", Role::Read(pods())),
        ("b", "view", Role::Read(Vec::new())),
    ];
    let said = answer(&grants, &roles, &question("list", "pods"));
    assert_eq!(
        lines(&said),
        ["a user:alice g view everywhere Pending 2026-01-01T08:00:00Z"]
    );
    assert!(said.notes.is_empty());
}

#[test]
fn what_is_not_read_on_the_cluster_is_said_so() {
    let grants = [grant(
        "g",
        &json!({"clusters": {"names": ["a", "b", "gone"]}}),
    )];
    let roles = [
        ("a", "view", Role::Hubs(pods(), "403".to_owned())),
        ("b", "view", Role::Absent),
        ("gone", "view", Role::Unknown("404".to_owned())),
    ];
    let said = answer(&grants, &roles, &question("list", "pods"));
    assert_eq!(lines(&said), ["a user:alice g view everywhere Pending -"]);
    let notes: Vec<_> = said.notes.iter().map(String::as_str).collect();
    assert_eq!(notes.len(), 3);
    assert!(
        notes[0].contains("based on the ClusterRole of the hub: 403"),
        "{notes:?}"
    );
    assert!(
        notes[1].starts_with("b: ClusterRole view does not exist"),
        "{notes:?}"
    );
    assert!(
        notes[2].contains("it is unknown what grants of it allow: 404"),
        "{notes:?}"
    );
}

#[test]
fn rules_are_read_as_rbac_reads_them() {
    let all = rules(json!([
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"], "resourceNames": ["one", "two"]},
        {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get"]},
        {"apiGroups": ["*"], "resources": ["*/status", "pods/log"], "verbs": ["get"]},
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ]));
    let ask = |verb: &str, resource: &str, subresource: &str, group: &str| {
        let mut question = question(verb, resource);
        question.subresource = (!subresource.is_empty()).then(|| subresource.to_owned());
        group.clone_into(&mut question.group);
        verdict(&all, &question)
    };
    let named = Verdict::Named(["one", "two"].map(str::to_owned).into());
    assert_eq!(ask("delete", "configmaps", "", ""), named);
    assert_eq!(ask("create", "configmaps", "", ""), Verdict::No);
    assert_eq!(ask("get", "deployments", "", "apps"), Verdict::Yes);
    assert_eq!(ask("get", "deployments", "scale", "apps"), Verdict::Yes);
    assert_eq!(ask("get", "deployments", "", ""), Verdict::No);
    assert_eq!(ask("list", "deployments", "", "apps"), Verdict::No);
    assert_eq!(ask("get", "pods", "", ""), Verdict::No);
    assert_eq!(ask("get", "pods", "log", ""), Verdict::Yes);
    assert_eq!(ask("get", "nodes", "status", ""), Verdict::Yes);
}

#[test]
fn a_grant_within_namespaces_answers_for_what_is_in_them() {
    let all = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let shop = json!({"role": {"rules": all}, "namespaces": {"names": ["shop", "till"]}, "clusters": {"names": ["a"]}});
    let grants = [grant("shop", &shop)];
    let here = ["a user:alice shop rules shop,till Pending -"];
    let within = |verb: &str, resource: &str, namespace: Option<&str>| {
        let mut question = question(verb, resource);
        question.namespace = namespace.map(str::to_owned);
        lines(&answer(&grants, &[], &question))
    };
    assert_eq!(within("get", "pods", None), here);
    assert_eq!(within("get", "pods", Some("till")), here);
    assert!(within("get", "pods", Some("kube-system")).is_empty());
    assert!(within("get", "nodes", None).is_empty());
    assert!(within("list", "namespaces", None).is_empty());
    assert_eq!(within("get", "namespaces", None), here);
}

#[test]
fn states_are_those_of_the_newest_grant_and_subjects_have_a_row_each() {
    let mut grant = grant(
        "g",
        &json!({
            "clusters": {"names": ["a", "b"]}, "role": {"rules": pods()},
            "subjects": [{"kind": "Group", "name": "team"}, {"kind": "Gateway"}],
        }),
    );
    let status = json!({"observedGeneration": 1, "clusterStates": [
        {"name": "a", "state": "Applied", "since": "2026-01-01T00:00:00Z"},
        {"name": "b", "state": "Failed", "reason": "BeyondCap", "since": "2026-01-01T00:00:00Z"},
    ]});
    grant.status = Some(serde_json::from_value(status).unwrap());
    let ask = |grant: &AccessGrant| {
        let said = answer(std::slice::from_ref(grant), &[], &question("get", "pods"));
        lines(&said)
    };
    assert_eq!(
        ask(&grant),
        [
            "a gateway g rules everywhere Applied -",
            "a group:team g rules everywhere Applied -",
            "b gateway g rules everywhere Failed (BeyondCap) -",
            "b group:team g rules everywhere Failed (BeyondCap) -",
        ]
    );
    grant.metadata.generation = Some(2);
    assert!(ask(&grant).iter().all(|line| line.ends_with("Pending -")));
}
