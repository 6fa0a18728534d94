//! Clusters whose agents are permanently lost, and clusters that are detached.

use e2e::{ProcessKubelet, ocm::KlusterletOptions};
use serde_json::json;

use super::{hub::soon, life::nothing_is_left, stage::Stage};

const CLUSTER: &str = "managed1";

#[tokio::test]
async fn an_agent_that_is_gone_holds_nothing_and_neither_does_a_detached_cluster() {
    let clusters = [(CLUSTER, KlusterletOptions::default())];
    let mut stage = Stage::set(&clusters, &["--removal-timeout=3"]).await;
    let selector = json!({"clusters": {"selector": {"matchLabels": {"gateway": "on"}}}});
    stage.configure(&selector).await;
    label(&stage, "gateway=on").await;
    soon("reachable", || stage.through(CLUSTER, "/healthz")).await;

    stage.kubelets[CLUSTER].lose_nodes();
    label(&stage, "gateway-").await;
    nothing_is_left(&stage, CLUSTER).await;
    let events = [
        "get",
        "events.events.k8s.io",
        // Those of a ManagedCluster, which has no namespace.
        "-n",
        "default",
        "-o",
        "jsonpath={.items[*].reason}",
    ];
    let told = || async {
        let reasons = stage.kubectl(&events).await?;
        if reasons.contains("TokenAbandoned") {
            Ok(())
        } else {
            Err(reasons)
        }
    };
    soon("an Event says so", told).await;

    // When it has nodes again, it joins as if it were new.
    stage.kubelets.remove(CLUSTER);
    std::fs::remove_dir_all(stage.world.cluster(CLUSTER).directory().join("pods")).unwrap();
    let kubelet = ProcessKubelet::start(stage.world.cluster(CLUSTER)).unwrap();
    stage.kubelets.insert(CLUSTER.to_owned(), kubelet);
    label(&stage, "gateway=on").await;
    soon("reachable again", || stage.through(CLUSTER, "/healthz")).await;

    let detach = ["delete", "managedcluster", CLUSTER, "--wait=false"];
    stage.kubectl(&detach).await.unwrap();
    nothing_is_left(&stage, CLUSTER).await;
    let gone = || async {
        stage
            .kubectl(&["get", "managedcluster", CLUSTER])
            .await
            .map_or_else(Ok, Err)
    };
    soon("nothing of ours keeps the cluster", gone).await;
}

async fn label(stage: &Stage, label: &str) {
    stage
        .kubectl(&["label", "managedcluster", CLUSTER, label])
        .await
        .unwrap();
}
