//! Callers at a gateway's own port, with forged headers.

use e2e::{Credentials, Gateway, Http1, eventually};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::stage::{SOON, Stage, proxy};

/// A GET as the hub's API server would pass it on, over HTTP/1.1.
pub(crate) async fn get(gateway: &Gateway, tail: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let hub = Credentials::Certificate(gateway.hub().front_proxy_client().clone());
    let client = Http1::new(&gateway.url(), &gateway.ca_pem(), &hub).unwrap();
    let answer = client.get(&proxy(tail), headers).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn nothing_of_a_caller_crosses_but_what_was_granted() {
    let stage = Stage::shared().await;
    let subject = json!({"kind": "User", "name": "door"});
    stage.apply("door-views", subject).await;
    let caller = [
        ("x-remote-user", "door"),
        ("x-remote-group", "system:masters"),
        ("x-remote-group", "team"),
        ("x-remote-uid", "7"),
        ("x-remote-extra-scopes", "all"),
    ];
    let path = "/api/v1/namespaces/default/configmaps?labelSelector=by%21%3Ddoor";
    for gateway in stage.replicas.each() {
        let works = || async {
            let (code, body) = get(gateway, path, &caller).await;
            if code == 200 { Ok(()) } else { Err(body) }
        };
        eventually(SOON, "the grant counts", works).await.unwrap();
        crosses_as_granted(stage).await;
        forged_names_are_refused(gateway, path, &caller).await;
    }
}

async fn crosses_as_granted(stage: &Stage) {
    let line = stage.audited("by%21%3Ddoor").await;
    let is = &line["impersonatedUser"];
    assert_eq!(is["username"], "hub:door", "{line}");
    assert!(is["extra"].is_null() && is["uid"].is_null(), "{line}");
    let groups = is["groups"].as_array().unwrap();
    assert!(!groups.contains(&"system:masters".into()), "{line}");
}

async fn forged_names_are_refused(gateway: &Gateway, path: &str, caller: &[(&str, &str)]) {
    let names = ["user", "group", "uid", "extra-a"].map(|it| format!("Impersonate-{it}"));
    for name in &names {
        for connection in ["keep-alive", name] {
            let forged = [(name.as_str(), "system:admin"), ("connection", connection)];
            let headers: Vec<_> = caller.iter().chain(&forged).copied().collect();
            let (code, body) = get(gateway, path, &headers).await;
            assert_eq!(
                (code, &body["reason"]),
                (400, &"BadRequest".into()),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn nobody_is_called_what_an_identity_of_the_cluster_is_called() {
    let stage = Stage::shared().await;
    let names = [
        crds::gateway::GROUP_MEMBER,
        "system:admin",
        "kubernetes-admin",
    ];
    let each = stage.replicas.each().iter();
    for (gateway, name) in each.flat_map(|gateway| names.map(|name| (gateway, name))) {
        let caller = [
            ("x-remote-user", name),
            ("x-remote-group", "system:masters"),
            ("x-remote-group", "kubeadm:cluster-admins"),
        ];
        let (code, body) = get(gateway, "/api/v1/namespaces", &caller).await;
        assert_eq!(
            (code, &body["reason"]),
            (403, &"Forbidden".into()),
            "{body}"
        );
        let message = body["message"].as_str().unwrap();
        assert!(
            message.contains("no AccessGrant names hub user"),
            "{message}"
        );
    }
}
