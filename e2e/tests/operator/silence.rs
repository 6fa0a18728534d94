//! A cluster that is connected, but whose work agent carries nothing out.

use e2e::ocm::KlusterletOptions;
use serde_json::Value;

use super::{
    grants::{grant, judges_grants},
    hub::{kubectl, read, soon},
    stage::Stage,
};

const CLUSTER: &str = "managed1";

#[tokio::test]
async fn a_dead_work_agent_holds_no_deleted_grant_though_its_cluster_is_connected() {
    let clusters = [(CLUSTER, KlusterletOptions::default())];
    let stage = Stage::set(&clusters, &["--removal-timeout=3"]).await;
    stage.configure(&serde_json::json!({})).await;
    soon("reachable", || stage.through(CLUSTER, "/healthz")).await;
    judges_grants(stage.hub()).await;
    let more = serde_json::json!({});
    for name in ["alice-views", "alice-stays"] {
        stage.apply(&grant(name, &more).to_string()).await;
        let get = ["accessgrant", name];
        soon("it holds", || async {
            let status = read(stage.hub(), &get).await?["status"].clone();
            let applied = &status["clusters"]["applied"];
            if *applied == 1 {
                Ok(())
            } else {
                Err(status.to_string())
            }
        })
        .await;
    }

    stage.klusterlets[0].work().kill();
    let delete = ["delete", "accessgrant", "alice-views", "--wait=false"];
    stage.kubectl(&delete).await.unwrap();
    let gone = || async {
        let get = ["get", "accessgrant", "alice-views"];
        stage.kubectl(&get).await.map_or_else(Ok, Err)
    };
    soon("nobody holds the grant", gone).await;
    let told = || async {
        let events = [
            "get",
            "events.events.k8s.io",
            "-A",
            "-o",
            "jsonpath={.items[*].reason}",
        ];
        let reasons = stage.kubectl(&events).await?;
        let is_told = reasons.contains("RevocationAbandoned");
        if is_told { Ok(()) } else { Err(reasons) }
    };
    soon("an Event says so", told).await;

    let troubled = soon("the status says so", || troubled(&stage)).await;
    let message = troubled["message"].as_str().unwrap();
    let lingers = "ClusterRoleBinding spokeway:grant:alice-views:";
    assert!(
        message.contains(lingers) && !message.contains("alice-stays"),
        "{message}"
    );
    let spoke = stage.world.cluster(CLUSTER);
    let bound = kubectl(spoke, &["get", "clusterrolebindings", "-o", "name"]).await;
    assert!(bound.unwrap().contains("spokeway:grant:alice-views:"));
}

/// What the status says of the cluster, once it is that its work agent does nothing.
async fn troubled(stage: &Stage) -> Result<Value, String> {
    let configuration = read(stage.hub(), &["gatewayconfiguration", "default"]).await?;
    let status = &configuration["status"];
    let first = &status["troubled"][0];
    let is_said = first["name"] == CLUSTER && first["reason"] == "GrantsOverdue";
    if is_said {
        Ok(first.clone())
    } else {
        Err(status.to_string())
    }
}
