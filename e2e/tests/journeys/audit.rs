//! The audit log of the gateway, beside those of both API servers.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use e2e::{Gateway, GatewayOptions, SpokeOptions, World, eventually};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::{
    GATEWAYS, SOON,
    door::{Caller, Door},
    managed::permit,
    proxy,
};

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

/// An audited cluster that is both hub and spoke, and its gateway, which records requests.
struct Site {
    world: World,
    gateway: Gateway,
    log: PathBuf,
}

impl Site {
    async fn open() -> Self {
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
        Self {
            world,
            gateway,
            log,
        }
    }

    /// Waits for events whose URI ends like this, at these stages and no others.
    async fn hears(&self, end: &str, stages: &[&str]) -> Vec<Value> {
        let heard = || async {
            let events = events(&self.log, end);
            let at: Vec<_> = events.iter().map(|it| it["stage"].as_str()).collect();
            let is_all = at.iter().flatten().eq(stages);
            if is_all {
                Ok(events)
            } else {
                Err(format!("{at:?}"))
            }
        };
        eventually(SOON, "events", heard).await.unwrap()
    }
}

#[tokio::test]
async fn a_request_is_complete_when_its_answer_has_ended() {
    let site = Site::open().await;
    let door = Door::open(&site.gateway).await;
    let query = "?watch=true&timeoutSeconds=4";
    let watch = door.watch(&proxy("solo", &format!("{TAIL}{query}"))).await;
    site.hears(query, &["ResponseStarted"]).await;
    watch.ended(SOON).await;
    let both = ["ResponseStarted", "ResponseComplete"];
    let events = site.hears(query, &both).await;
    assert!(events.iter().all(|it| it["verb"] == "watch"), "{events:?}");

    // A caller whom the hub does not let in is recorded as well.
    let path = proxy("solo", &format!("{TAIL}?limit=7"));
    let answer = door.get_as(Caller::User("nobody"), &path).await;
    assert_eq!(answer.0, StatusCode::FORBIDDEN, "{}", answer.1);
    let events = site.hears("?limit=7", &["ResponseComplete"]).await;
    assert_eq!(events[0]["responseStatus"]["code"], 403, "{events:?}");
    assert_eq!(events[0]["user"]["username"], "nobody", "{events:?}");
}

#[tokio::test]
async fn one_audit_id_leads_from_the_hub_through_the_gateway_to_the_spoke() {
    let site = Site::open().await;
    let (solo, log) = (site.world.cluster("solo"), &site.log);
    permit(solo, "audited").await;
    let client = solo.client_as("audited", &["readers"]).unwrap();
    // In the order that the hub passes it on in.
    let query = "?continue=&labelSelector=looked-at";
    let path = proxy("solo", &format!("{TAIL}{query}"));
    let listed = || client.request_text(Request::get(&path).body(Vec::new()).unwrap());
    eventually(SOON, "the list", listed).await.unwrap();

    let written = || async {
        let events = events(log, "?continue=hidden&labelSelector=looked-at");
        let ok = events
            .into_iter()
            .find(|event| event["responseStatus"]["code"] == 200);
        ok.ok_or_else(|| fs::read_to_string(log).unwrap_or_default())
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
