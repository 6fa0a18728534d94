use serde_json::{Value, json};

use super::*;

fn rules(resources: &Value, paths: &Value) -> SubjectRulesReviewStatus {
    serde_json::from_value(json!({
        "incomplete": false, "resourceRules": resources, "nonResourceRules": paths,
    }))
    .unwrap()
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

/// What an API server lists for an account without any binding.
fn nobodys() -> (Vec<Value>, Value) {
    let resources = vec![
        rule(
            "authorization.k8s.io",
            &["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
            &["create"],
        ),
        rule(
            "authentication.k8s.io",
            &["selfsubjectreviews"],
            &["create"],
        ),
        rule(
            "certificates.k8s.io",
            &["clustertrustbundles"],
            &["get", "list", "watch"],
        ),
    ];
    let paths = json!([
        {"verbs": ["get"], "nonResourceURLs": [
            "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz",
            "/version", "/version/",
        ]},
        {"verbs": ["get"], "nonResourceURLs": [
            "/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks",
            "/openid/v1/jwks/",
        ]},
    ]);
    (resources, paths)
}

/// What is said of an account that has these rules beside everybody's.
fn said(more: &[Value]) -> Vec<String> {
    let (mut resources, paths) = nobodys();
    resources.extend_from_slice(more);
    let nothing = rules(&json!([]), &json!([]));
    excess(&rules(&json!(resources), &paths), &nothing)
}

#[test]
fn what_the_operator_ships_is_not_said() {
    let shipped = [
        json!({"apiGroups": [""], "resources": ["groups"], "resourceNames": ["cluster:hub:grant:0123"], "verbs": ["impersonate"]}),
        json!({
            "apiGroups": [""], "resources": ["users"],
            "resourceNames": ["hub:alice", "cluster:hub:system:admin", "cluster:hub:group-member"], "verbs": ["impersonate"],
        }),
        json!({
            "apiGroups": ["authentication.k8s.io"], "resources": [format!("userextras/{USER_EXTRA}")], "verbs": ["impersonate"],
        }),
    ];
    assert_eq!(said(&shipped), [""; 0]);
}

#[test]
fn an_administrator_is_said_in_one_word() {
    let administrator = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]});
    let view = rule("", &["pods", "services"], &["get", "list"]);
    assert_eq!(said(&[view, administrator]), ["everything"]);
}

#[test]
fn a_right_names_verbs_resources_and_objects() {
    let named = json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a", "b"], "verbs": ["get"]});
    let any = rule("apps", &["deployments"], &["*"]);
    assert_eq!(
        said(&[named, any]),
        ["* deployments.apps", "get secrets named a,b"]
    );
}

#[test]
fn to_impersonate_others_than_callers_is_more_than_to_impersonate() {
    let table = [
        (
            rule("", &["users", "groups"], &["impersonate"]),
            vec!["impersonate groups", "impersonate users"],
        ),
        (
            json!({"apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"],
                   "resourceNames": ["cluster:hub:grant:0", "system:masters"]}),
            vec!["impersonate groups named system:masters"],
        ),
        (
            json!({"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["system:admin", "hub:alice"]}),
            vec!["impersonate users named system:admin"],
        ),
        (
            rule("", &["serviceaccounts"], &["impersonate"]),
            vec!["impersonate serviceaccounts"],
        ),
        (
            rule(
                "authentication.k8s.io",
                &["userextras/scopes"],
                &["impersonate"],
            ),
            vec!["impersonate userextras/scopes.authentication.k8s.io"],
        ),
        (rule("", &["users"], &["*"]), vec!["* users"]),
    ];
    for (rule, wanted) in table {
        assert_eq!(said(std::slice::from_ref(&rule)), wanted, "{rule}");
    }
}

#[test]
fn what_everybody_may_do_on_a_cluster_is_not_the_accounts() {
    let project = rule("project.openshift.io", &["projectrequests"], &["create"]);
    let pods = rule("", &["pods"], &["get"]);
    let paths = json!([{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}]);
    let account = rules(&json!([project, pods]), &paths);
    let everybodys = rules(&json!([project]), &paths);
    assert_eq!(excess(&account, &everybodys), ["get pods"]);
    let nothing = rules(&json!([]), &json!([]));
    assert_eq!(
        excess(&account, &nothing),
        [
            "create projectrequests.project.openshift.io",
            "get /metrics",
            "get pods"
        ]
    );
}

#[test]
fn a_long_list_is_cut_and_counted_and_obeys_no_terminal() {
    let many: Vec<_> = ["a", "b", "c", "d", "e"]
        .iter()
        .map(|it| rule("", &[it], &["get"]))
        .collect();
    assert_eq!(said(&many), ["get a", "get b", "get c", "and 2 more"]);
    let long = said(&[rule("", &["\u{1b}[2J", &"x".repeat(1000)], &["get"])]);
    assert_eq!(long[0].chars().count(), LONGEST);
    assert!(!long[0].contains('\u{1b}'));
}
