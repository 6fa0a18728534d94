//! The health of a tunnelled cluster is checked when it is requested.

use std::time::Duration;

use e2e::{agent::credentials, eventually};
use http::Request;
use serde_json::Value;

use super::stage::{GATEWAYS, Stage, get, send};

/// Longer than the hub needs to know its RBAC.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn health_is_what_a_request_would_meet_now() {
    let stage = Stage::with_one().await;
    assert_eq!(health(&stage, "managed1").await.0, Some(false));

    let _agent = stage.agent("managed1").await;
    assert_eq!(
        health(&stage, "managed1").await,
        (Some(true), String::new())
    );

    // There was no other request meanwhile, so only the probe can have noticed.
    stage.world.cluster("managed1").stop_apiserver();
    let (healthy, reason) = health(&stage, "managed1").await;
    assert_eq!(healthy, Some(false), "{reason}");
    assert!(reason.contains("since"), "{reason}");

    stage
        .world
        .cluster("managed1")
        .start_apiserver()
        .await
        .unwrap();
    assert_eq!(health(&stage, "managed1").await.0, Some(true));
}

#[tokio::test]
async fn an_agent_learns_of_its_own_cluster_and_no_more_than_it_needs() {
    let stage = Stage::with_two().await;
    let _agent = stage.agent("managed1").await;
    let credentials = credentials(stage.hub(), "managed1", "probe").unwrap();
    let agent = stage.hub().client_with(&credentials);
    let (code, body) = get(&agent, &format!("{GATEWAYS}/managed2/health")).await;
    assert_eq!(code, 403, "{body}");
    assert!(body.contains("an agent of managed1"), "{body}");

    stage.world.cluster("managed1").stop_apiserver();
    let (code, body) = get(&agent, &format!("{GATEWAYS}/managed1/health")).await;
    let object: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &object["status"]["healthy"]), (200, &false.into()));
    let reason = object["status"]["healthyReason"].as_str().unwrap();
    assert!(reason.starts_with("failing since 2"), "{body}");
    assert_eq!(reason.split(' ').count(), 3, "{body}");
    // Whoever may read clusters still learns why.
    let (_, reason) = health(&stage, "managed1").await;
    assert!(reason.contains("tunnel"), "{reason}");
}

/// Their role has no such right. They would not get it with another role either.
#[tokio::test]
async fn an_agent_reports_no_health() {
    let stage = Stage::with_one().await;
    let create = [
        "create",
        "clusterrole",
        "reports",
        "--verb=update",
        "--resource=clustergateways.cluster.core.oam.dev/health",
    ];
    stage.hub().kubectl(&create).ok().await.unwrap();
    let bind = [
        "create",
        "clusterrolebinding",
        "reports",
        "--clusterrole=reports",
        "--group=system:authenticated",
    ];
    stage.hub().kubectl(&bind).ok().await.unwrap();
    let credentials = credentials(stage.hub(), "managed1", "probe").unwrap();
    let agent = stage.hub().client_with(&credentials);
    eventually(SOON, "the refusal of the gateway itself", || async {
        let report = Request::put(format!("{GATEWAYS}/managed1/health"));
        let report = report.body(b"{}".to_vec().into()).unwrap();
        let (code, body) = send(&agent, report).await;
        let is_refused = code == 403 && body.contains("an agent may not write the health");
        if is_refused { Ok(()) } else { Err(body) }
    })
    .await
    .unwrap();
}

async fn health(stage: &Stage, spoke: &str) -> (Option<bool>, String) {
    let path = format!("/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{spoke}/health");
    let request = Request::get(path).body(Vec::new()).unwrap();
    let object: Value = stage.hub().client().request(request).await.unwrap();
    let status = &object["status"];
    let reason = status["healthyReason"].as_str().unwrap_or_default();
    (status["healthy"].as_bool(), reason.to_owned())
}
