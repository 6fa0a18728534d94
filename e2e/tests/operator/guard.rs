//! Grants that were written while nobody judged their author are held back, also by an operator that
//! was not there to see it.

use std::time::Duration;

use e2e::{
    Cluster, Gateway, GatewayOptions, Operator, World,
    ocm::{self, Ocm},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    grants::grant,
    hub::{kubectl, read, soon},
};

const POLICY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../config/operator/access-policy.yaml"
);
const BINDING: [&str; 2] = ["validatingadmissionpolicybinding", "spokeway-access-grants"];
/// The cluster never joins, so this is as far as a grant gets that is carried to it.
const CARRIED: &str = "Shipping";
const HELD_BACK: &str = "Unguarded";

#[tokio::test]
async fn what_nobody_judged_is_held_back_until_it_is_written_again() {
    let world = World::builder().cluster("hub").start().await.unwrap();
    let hub = world.cluster("hub");
    let _ocm = Ocm::without_controllers(hub).await.unwrap();
    Operator::install(hub).await.unwrap();
    let gateway = Gateway::start(hub, GatewayOptions::for_operator()).await;
    let gateway = gateway.unwrap();
    let operator = Operator::start(hub, "operator-1", &[]).await.unwrap();
    apply(hub, &Operator::configuration(&gateway, &json!({}))).await;
    ocm::accept(&hub.client(), "managed1").await.unwrap();
    settled().await;
    granted(hub, "before", &json!({})).await;
    is(hub, "before", CARRIED).await;

    // A policy of that name that only watches is no policy.
    let audit = "{\"spec\": {\"validationActions\": [\"Audit\"]}}";
    let loosen = [&["patch"], &BINDING[..], &["--type=merge", "-p", audit]].concat();
    kubectl(hub, &loosen).await.unwrap();
    is_guarded(hub, "PolicyMissing").await;
    granted(hub, "meanwhile", &json!({})).await;
    is(hub, "meanwhile", HELD_BACK).await;
    is(hub, "before", CARRIED).await;
    operator.stop().await;
    granted(hub, "unseen", &json!({})).await;
    granted(hub, "before", &json!({"role": {"clusterRole": "admin"}})).await;

    let close = ["apply", "--server-side", "--force-conflicts", "-f", POLICY];
    kubectl(hub, &close).await.unwrap();
    operator.restart().await.unwrap();
    is_guarded(hub, "PolicyInForce").await;
    for name in ["before", "meanwhile", "unseen"] {
        is(hub, name, HELD_BACK).await;
    }
    let works = ["get", "manifestworks", "-n", "managed1", "-o", "json"];
    let works = kubectl(hub, &works).await.unwrap();
    assert!(!works.contains("spokeway:grant:"), "{works}");

    settled().await;
    let written = ["get", "accessgrant", "meanwhile", "-o", "yaml"];
    let written = kubectl(hub, &written).await.unwrap();
    let replace = hub
        .kubectl(&["replace", "--force", "-f", "-"])
        .stdin(written);
    replace.ok().await.unwrap();
    is(hub, "meanwhile", CARRIED).await;
    granted(hub, "before", &json!({"role": {"clusterRole": "edit"}})).await;
    is(hub, "before", CARRIED).await;
    is(hub, "unseen", HELD_BACK).await;
}

/// API servers take a policy in within five seconds, and so does the operator.
async fn settled() {
    sleep(Duration::from_secs(7)).await;
}

async fn apply(hub: &Cluster, object: &str) {
    let apply = hub.kubectl(&["apply", "-f", "-"]).stdin(object);
    apply.ok().await.unwrap();
}

async fn granted(hub: &Cluster, name: &str, more: &Value) {
    apply(hub, &grant(name, more).to_string()).await;
}

async fn is(hub: &Cluster, name: &str, reason: &str) {
    let state = || async {
        let grant = read(hub, &["accessgrant", name]).await?;
        let is_newest = grant["status"]["observedGeneration"] == grant["metadata"]["generation"];
        let states = &grant["status"]["clusterStates"];
        if is_newest && states[0]["reason"] == reason {
            Ok(())
        } else {
            Err(grant["status"].to_string())
        }
    };
    soon(&format!("{name} is {reason}"), state).await;
}

async fn is_guarded(hub: &Cluster, reason: &str) {
    let said = || async {
        let status = read(hub, &["gatewayconfiguration", "default"]).await?["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let mut own = conditions.iter().filter(|it| it["type"] == "GrantsGuarded");
        own.find(|it| it["reason"] == reason)
            .map(|_| ())
            .ok_or_else(|| status.to_string())
    };
    soon("the state of the policy is said", said).await;
}
