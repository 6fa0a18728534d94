//! The audit log of the gateway, beside those of both API servers.

use std::{collections::BTreeSet, fs, path::Path};

use e2e::{Gateway, GatewayOptions, SpokeOptions, World, eventually};
use http::Request;
use serde_json::{Value, json};

use crate::{GATEWAYS, SOON, managed::permit, proxy};

const TAIL: &str = "/api/v1/namespaces/default/configmaps";

/// The events of a log whose URI ends like this.
fn events(log: &Path, end: &str) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let is_meant = |event: &Value| {
        event["requestURI"]
            .as_str()
            .is_some_and(|it| it.ends_with(end))
    };
    lines.filter(is_meant).collect()
}

#[tokio::test]
async fn one_audit_id_leads_from_the_hub_through_the_gateway_to_the_spoke() {
    let world = World::builder().cluster("solo").audited().start();
    let world = world.await.unwrap();
    let solo = world.cluster("solo");
    let log = solo.directory().join("gateway-audit.log");
    let options = GatewayOptions {
        args: vec![format!("--audit-log-path={}", log.display())],
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(solo, options).await.unwrap();
    let spoke = SpokeOptions::default();
    gateway.register_spoke(solo, spoke).await.unwrap();
    permit(solo, "audited").await;
    let client = solo.client_as("audited", &["readers"]).unwrap();
    // In the order that the hub passes it on in.
    let query = "?continue=&labelSelector=looked-at";
    let path = proxy("solo", &format!("{TAIL}{query}"));
    let listed = || client.request_text(Request::get(&path).body(Vec::new()).unwrap());
    eventually(SOON, "the list", listed).await.unwrap();

    let written = || async {
        let events = events(&log, "?continue=hidden&labelSelector=looked-at");
        let ok = events
            .into_iter()
            .find(|event| event["responseStatus"]["code"] == 200);
        ok.ok_or_else(|| fs::read_to_string(&log).unwrap_or_default())
    };
    let event = eventually(SOON, "the gateway's event", written)
        .await
        .unwrap();
    assert_eq!(event["verb"], "list", "{event}");
    assert_eq!(event["stage"], "ResponseComplete", "{event}");
    assert_eq!(event["user"]["username"], "audited", "{event}");
    let groups = event["user"]["groups"].as_array().unwrap();
    assert!(groups.contains(&json!("readers")), "{event}");
    let object = json!({"resource": "configmaps", "namespace": "default", "apiVersion": "v1"});
    assert_eq!(event["objectRef"], object);
    let cluster = &event["annotations"]["gateway.open-cluster-management.io/cluster"];
    assert_eq!(cluster, "solo", "{event}");

    // One API server is both the hub and the spoke here, and has both in its log.
    let both = || async {
        let events = events(&solo.audit_log(), query);
        let same = events.iter().filter(|it| it["auditID"] == event["auditID"]);
        let paths: BTreeSet<_> = same
            .map(|it| it["requestURI"].as_str().unwrap().starts_with(GATEWAYS))
            .collect();
        if paths.len() == 2 {
            Ok(())
        } else {
            Err(format!("{events:?}"))
        }
    };
    eventually(SOON, "both events of the API server", both)
        .await
        .unwrap();
}
