//! The health of a tunnelled cluster is checked when it is requested.

use http::Request;
use serde_json::Value;

use super::stage::Stage;

#[tokio::test]
async fn health_is_what_a_request_would_meet_now() {
    let stage = Stage::start().await;
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

async fn health(stage: &Stage, spoke: &str) -> (Option<bool>, String) {
    let path = format!("/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{spoke}/health");
    let request = Request::get(path).body(Vec::new()).unwrap();
    let object: Value = stage.hub().client().request(request).await.unwrap();
    let status = &object["status"];
    let reason = status["healthyReason"].as_str().unwrap_or_default();
    (status["healthy"].as_bool(), reason.to_owned())
}
