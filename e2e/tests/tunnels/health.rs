//! The health of a tunnelled cluster is checked when it is requested.

use e2e::agent::credentials;
use http::Request;
use serde_json::Value;

use super::stage::{GATEWAYS, Stage, get};

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

async fn health(stage: &Stage, spoke: &str) -> (Option<bool>, String) {
    let path = format!("/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{spoke}/health");
    let request = Request::get(path).body(Vec::new()).unwrap();
    let object: Value = stage.hub().client().request(request).await.unwrap();
    let status = &object["status"];
    let reason = status["healthyReason"].as_str().unwrap_or_default();
    (status["healthy"].as_bool(), reason.to_owned())
}
