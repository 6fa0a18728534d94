//! Long-lived requests end with the grant that allowed them.

use std::time::Duration;

use e2e::{Http1, eventually, kubectl::Running};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{io::AsyncReadExt as _, time::timeout};

use crate::stage::{Caller, SOON, Stage, proxy};

/// The time limit from the change on the hub to the end of a long-lived request.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);
const WATCH: [&str; 7] = [
    "get",
    "configmaps",
    "--namespace",
    "default",
    "-w",
    "-o",
    "name",
];
const LIST: [&str; 4] = ["get", "configmaps", "--namespace", "default"];

/// A watch that has delivered an event.
async fn watch(caller: &Caller<'_>, args: &[&str]) -> Running {
    caller.hears(&LIST, "kube-root-ca.crt").await;
    let mut watch = caller.kubectl(args).spawn().unwrap();
    let first = watch.line_with("kube-root-ca.crt", SOON).await.unwrap();
    assert!(first.is_some());
    watch
}

async fn ends(watch: Running, within: Duration) {
    let ended = timeout(within, watch.wait()).await;
    ended.expect("the watch ends");
}

#[tokio::test]
async fn a_watch_ends_with_its_grant_and_the_next_command_is_forbidden() {
    let stage = Stage::shared().await;
    let subject = json!({"kind": "User", "name": "watcher"});
    stage.apply("watcher-views", subject).await;
    let watcher = stage.user("watcher", &[]);
    let running = watch(&watcher, &WATCH).await;
    let before = stage.streams_cut().await;
    stage.revoke("watcher-views").await;
    ends(running, REVOKED_WITHIN).await;
    assert!(stage.streams_cut().await > before);
    watcher
        .hears(&LIST, "no AccessGrant names hub user \"watcher\"")
        .await;
}

#[tokio::test]
async fn an_upgraded_connection_ends_with_the_group_that_let_it_begin() {
    let stage = Stage::shared().await;
    let subject = json!({"kind": "Group", "name": "leavers"});
    stage.apply("leavers-view", subject).await;
    let group = stage.group_of("leavers-view").await;
    stage
        .user("leaver", &["leavers"])
        .hears(&LIST, "kube-root-ca.crt")
        .await;
    let hub = stage.hub();
    let leaver = hub.certificate_of("leaver", &["leavers"]).unwrap();
    let client = Http1::new(hub.url(), &hub.ca_pem(), &leaver).unwrap();
    // A watch over WebSocket: an upgrade that needs no node.
    let path =
        proxy("/api/v1/namespaces/default/configmaps?watch=true&labelSelector=by%21%3Dleaver");
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("origin", "https://localhost"),
    ];
    // It is a connection of its own, perhaps to the gateway that has not been asked yet.
    let agreed = || async {
        let answer = client.get(&path, &headers).await.unwrap();
        match answer.status().as_u16() {
            101 => Ok(answer),
            status => Err(status),
        }
    };
    let answer = eventually(SOON, "the group counts", agreed).await.unwrap();
    let mut pipe = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    let mut first = [0; 2];
    timeout(SOON, pipe.read_exact(&mut first))
        .await
        .unwrap()
        .unwrap();
    stage.revoke("leavers-view").await;
    let mut rest = Vec::new();
    // It has ended, whether it broke or was closed.
    let _ = timeout(REVOKED_WITHIN, pipe.read_to_end(&mut rest))
        .await
        .expect("it ends");
    let line = stage.audited("by%21%3Dleaver").await;
    let is = &line["impersonatedUser"];
    assert_eq!(
        is["groups"],
        json!([group, "system:authenticated"]),
        "{line}"
    );
    assert_eq!(is["extra"], json!({crds::gateway::USER_EXTRA: ["leaver"]}));
}

#[tokio::test]
async fn a_grant_ends_by_the_gateways_clock_though_nobody_says_so() {
    let stage = Stage::shared().await;
    let short = stage.user("short", &[]);
    let subject = json!({"kind": "User", "name": "short"});
    stage.grant("short-views", subject, Some("20s")).await;
    stage.ship("short-views").await;
    let running = watch(&short, &WATCH).await;
    ends(running, SOON * 2).await;
    let ended = "AccessGrant \"short-views\", which names you, has ended there";
    short.hears(&LIST, ended).await;
    let states = stage
        .grants()
        .get("short-views")
        .await
        .unwrap()
        .status
        .unwrap();
    assert_eq!(
        states.cluster_states[0].state,
        crds::gateway::GrantState::Applied
    );
}

/// The bindings of the older version stay on the spoke, because nobody removes them.
#[tokio::test]
async fn what_a_grant_no_longer_allows_is_forbidden_though_it_is_still_bound() {
    let stage = Stage::shared().await;
    let edited = stage.user("edited", &[]);
    let subject = json!({"kind": "User", "name": "edited"});
    stage.apply("edited-role", subject).await;
    let watch = watch(&edited, &WATCH).await;
    let secrets = ["get", "secrets", "--namespace", "default"];
    stage
        .change("edited-role", &json!({"role": {"clusterRole": "admin"}}))
        .await;
    let pending = "AccessGrant \"edited-role\", which names you, is pending there";
    edited.hears(&LIST, pending).await;
    ends(watch, REVOKED_WITHIN).await;
    stage.ship("edited-role").await;
    edited.hears(&secrets, "No resources found").await;

    stage
        .change("edited-role", &json!({"role": {"clusterRole": "view"}}))
        .await;
    edited.hears(&secrets, pending).await;
    stage.ship("edited-role").await;
    edited.hears(&LIST, "kube-root-ca.crt").await;
    let refused = "User \"hub:edited\" cannot list resource \"secrets\"";
    edited.hears(&secrets, refused).await;
}
