//! Redirects of a managed cluster, which the hub's API server itself would refuse.

use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{Stage, answer::Answer, proxy};

#[tokio::test]
async fn a_redirect_passes_the_hub_as_a_page_for_browsers_and_as_a_word_for_programs() {
    let stage = Stage::shared().await;
    let nodes: Api<Node> = Api::all(stage.world.cluster("managed1").client());
    let node = serde_json::from_value(json!({"metadata": {"name": "far"}})).unwrap();
    nodes.create(&PostParams::default(), &node).await.unwrap();
    let address =
        json!({"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}});
    let patch = Patch::Merge(&address);
    nodes
        .patch_status("far", &PatchParams::default(), &patch)
        .await
        .unwrap();
    // The API server adds the slash by a redirect before it dials the node.
    let (hub, place) = (
        stage.hub().client(),
        proxy("managed1", "/api/v1/nodes/far/proxy"),
    );
    let page = Answer::get(&hub, &place, &[("accept", "text/html,*/*")]).await;
    assert_eq!(page.code, 200, "{page:?}");
    assert!(page.text.contains("url=./proxy/\""), "{page:?}");
    let word = Answer::get(&hub, &place, &[("accept", "application/json")]).await;
    let message = word.refuses(301, "Redirect");
    assert!(message.contains("./proxy/"), "{message}");
}
