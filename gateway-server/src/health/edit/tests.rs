//! Bodies that callers send, and what they report.

use http::HeaderValue;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn shown() -> Value {
    json!({
        "kind": "ClusterGateway", "apiVersion": API_VERSION,
        "metadata": {"name": "managed1", "uid": "u-1", "resourceVersion": "41"},
        "spec": {"access": {"credential": {"type": "ServiceAccountToken"}}},
        "status": {"healthy": false, "healthyReason": "refused"},
    })
}

fn report(edit: Edit, body: &Value) -> Result<Report, EditError> {
    let cluster = "managed1".parse().unwrap();
    edit.report(&cluster, &shown(), body.to_string().as_bytes())
}

fn of(healthy: bool, reason: &str) -> Report {
    Report {
        healthy,
        reason: reason.to_owned(),
        ..Report::default()
    }
}

#[test]
fn a_whole_object_replaces_health_and_nothing_else() {
    let mut body = shown();
    body["status"] = json!({"healthy": true, "healthyReason": "ConnectionTimeout"});
    body["spec"]["access"] = json!("whatever");
    let known = Report {
        uid: Some("u-1".to_owned()),
        revision: Some(41),
        ..of(true, "ConnectionTimeout")
    };
    assert_eq!(report(Edit::Replace, &body), Ok(known));
    // As cluster-gateway's own client sends it, from an object without a version.
    body["metadata"] =
        json!({"name": "managed1", "creationTimestamp": null, "resourceVersion": ""});
    assert_eq!(
        report(Edit::Replace, &body),
        Ok(of(true, "ConnectionTimeout"))
    );
    body["status"] = json!({});
    assert_eq!(report(Edit::Replace, &body), Ok(of(false, "")));
}

#[test]
fn a_patch_changes_what_it_names() {
    let merge = json!({"status": {"healthy": true}, "spec": {"provider": "x"}});
    assert_eq!(report(Edit::MergePatch, &merge), Ok(of(true, "refused")));
    let merge = json!({"status": {"healthy": true, "healthyReason": null}, "metadata": {"resourceVersion": "40"}});
    let seen = Report {
        revision: Some(40),
        ..of(true, "")
    };
    assert_eq!(report(Edit::MergePatch, &merge), Ok(seen));
    let patch = json!([
        {"op": "test", "path": "/status/healthyReason", "value": "refused"},
        {"op": "replace", "path": "/status/healthy", "value": true},
        {"op": "remove", "path": "/status/healthyReason"},
    ]);
    let patched = report(Edit::JsonPatch, &patch).unwrap();
    assert_eq!(
        (patched.healthy, patched.reason.as_str(), patched.revision),
        (true, "", None)
    );
}

#[test]
fn what_is_no_report_is_refused_as_an_api_server_would() {
    let named = |name: &str| json!({"metadata": {"name": name}});
    let test = json!([{"op": "test", "path": "/status/healthy", "value": true}]);
    let absent = json!([{"op": "replace", "path": "/nothing", "value": true}]);
    let mut other = shown();
    other["kind"] = "Secret".into();
    let mut typed = shown();
    typed["status"]["healthy"] = "yes".into();
    let mut version = shown();
    version["metadata"]["resourceVersion"] = "x".into();
    let listed = json!({"status": [true, "x"]});
    let long = json!({"status": {"healthyReason": "x".repeat(LONGEST_REASON + 1)}});
    let many = Value::Array(vec![test[0].clone(); MOST_OPERATIONS + 1]);
    for (edit, body, code, words) in [
        (Edit::Replace, json!({}), 400, "and not a ClusterGateway"),
        (Edit::Replace, json!([]), 400, "cannot be read"),
        (Edit::Replace, other, 400, "\"Secret\""),
        (Edit::Replace, typed, 400, "expected a boolean"),
        (Edit::Replace, version, 422, "metadata.resourceVersion"),
        (Edit::MergePatch, json!("x"), 400, "no JSON object"),
        (
            Edit::MergePatch,
            named("other"),
            400,
            "does not match the name on the URL",
        ),
        (
            Edit::MergePatch,
            json!({"status": {"healthy": "yes"}}),
            422,
            "patch: ",
        ),
        (Edit::MergePatch, listed, 422, "status is no JSON object"),
        (Edit::MergePatch, long, 422, "status.healthyReason"),
        (Edit::JsonPatch, json!({}), 400, "cannot be read"),
        (
            Edit::JsonPatch,
            json!([{"op": "jump"}]),
            400,
            "cannot be read",
        ),
        (Edit::JsonPatch, test, 422, "cannot be applied"),
        (Edit::JsonPatch, absent, 422, "cannot be applied"),
        (Edit::JsonPatch, many, 413, "too many operations"),
    ] {
        let refusal = report(edit, &body)
            .unwrap_err()
            .refusal(&"managed1".parse().unwrap());
        assert_eq!(refusal.code(), code, "{body}");
        assert!(
            refusal.message().contains(words),
            "{body}: {}",
            refusal.message()
        );
    }
    let cut = Edit::Replace.report(&"managed1".parse().unwrap(), &shown(), b"{");
    assert!(matches!(cut, Err(EditError::Malformed(_))), "{cut:?}");
}

#[test]
fn copies_of_copies_do_not_fill_the_memory() {
    let start = json!({"op": "add", "path": "/spec/x", "value": ["x".repeat(1024)]});
    let copy = json!({"op": "copy", "from": "/spec/x", "path": "/spec/x/-"});
    let mut operations = vec![start];
    operations.resize(MOST_OPERATIONS, copy);
    let refused = report(Edit::JsonPatch, &Value::Array(operations));
    assert_eq!(refused, Err(EditError::TooLarge));
}

#[test]
fn the_method_and_the_type_say_how_a_body_is_meant() {
    let of = |method: Method, media: Option<&'static str>| {
        let value = media.map(HeaderValue::from_static);
        let headers = value.into_iter().map(|value| (CONTENT_TYPE, value));
        Edit::of(&method, &headers.collect()).map_err(|error| {
            let refusal = error.refusal(&"managed1".parse().unwrap());
            refusal.code().as_u16()
        })
    };
    assert_eq!(of(Method::PUT, None), Ok(Edit::Replace));
    assert_eq!(
        of(Method::PUT, Some("application/json; charset=utf-8")),
        Ok(Edit::Replace)
    );
    let merge = "application/merge-patch+json";
    assert_eq!(of(Method::PATCH, Some(merge)), Ok(Edit::MergePatch));
    let patch = "application/json-patch+json";
    assert_eq!(of(Method::PATCH, Some(patch)), Ok(Edit::JsonPatch));
    for other in [
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "application/json",
    ] {
        assert_eq!(of(Method::PATCH, Some(other)), Err(415), "{other}");
    }
    assert_eq!(of(Method::PUT, Some("application/yaml")), Err(415));
}

proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        for edit in [Edit::Replace, Edit::MergePatch, Edit::JsonPatch] {
            let _ = edit.report(&"managed1".parse().unwrap(), &shown(), &body);
        }
    }
}
