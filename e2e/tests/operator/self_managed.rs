//! A hub that manages itself: what is there for the hub, for one of its clusters and for a grant lies
//! in one API server, and nothing is taken for something else.

use e2e::{GatewayOptions, World, ocm::KlusterletOptions};
use serde_json::json;

use super::{
    grants::{grant, kubeconfig, may_proxy, ready, run},
    hub::soon,
    stage::Stage,
};

const HUB: &str = "hub";
const OURS: &str = "app.kubernetes.io/managed-by=spokeway-operator";

const BINDING: [&str; 8] = [
    "get",
    "rolebinding",
    "-n",
    "shop",
    "-l",
    OURS,
    "-o",
    "jsonpath={.items[*].metadata.uid}",
];

#[tokio::test]
async fn a_hub_that_manages_itself_is_enrolled_granted_on_and_left_as_any_cluster() {
    let world = World::builder()
        .cluster(HUB)
        .audited()
        .start()
        .await
        .unwrap();
    let joins = [(HUB, KlusterletOptions::default())];
    let stage = Stage::on(world, &joins, &[], GatewayOptions::for_operator()).await;
    may_proxy(stage.hub()).await;
    stage.configure(&json!({})).await;
    soon("the hub through itself", || stage.through(HUB, "/healthz")).await;

    let spec = json!({
        "clusters": {"names": [HUB]}, "namespaces": {"names": ["shop"], "create": true},
    });
    stage
        .apply(&grant("alice-in-shop", &spec).to_string())
        .await;
    let alice = kubeconfig(&stage, "alice", &[], Some(HUB));
    let pods = ["get", "pods", "-n", "shop"];
    soon("alice has her rights", || run(&stage, &alice, &pods)).await;
    run(&stage, &alice, &["get", "pods", "-n", "default"])
        .await
        .unwrap_err();
    soon("and that is said", || {
        ready(&stage, "alice-in-shop", "Applied")
    })
    .await;

    let before = stage.kubectl(&BINDING).await.unwrap();
    assert!(!before.is_empty());
    for _ in 0..3 {
        the_hub_is_planned_again(&stage).await;
    }
    assert_eq!(stage.kubectl(&BINDING).await.unwrap(), before);
    run(&stage, &alice, &pods).await.unwrap();

    stage
        .kubectl(&["delete", "accessgrant", "alice-in-shop"])
        .await
        .unwrap();
    assert_eq!(stage.kubectl(&BINDING).await.unwrap(), "");
    let delete = ["delete", "gatewayconfiguration", "default", "--timeout=60s"];
    stage.kubectl(&delete).await.unwrap();
    let kinds = "clustermanagementaddons,managedclusteraddons,manifestworks,managedserviceaccounts,\
                 rolebindings,clusterrolebindings,clusterroles,apiservices";
    let left = ["get", kinds, "-A", "-o", "name", "-l", OURS];
    let nothing = || async {
        let left = stage.kubectl(&left).await?;
        if left.is_empty() { Ok(()) } else { Err(left) }
    };
    soon("nothing is left", nothing).await;
}

/// An object of the hub's own plan is created again, so everything of the hub was looked at.
async fn the_hub_is_planned_again(stage: &Stage) {
    let object = ["clusterrolebinding", "spokeway-agent-tunnel"];
    stage
        .kubectl(&["delete", object[0], object[1]])
        .await
        .unwrap();
    let get = ["get", object[0], object[1]];
    soon("the operator has looked again", || stage.kubectl(&get)).await;
}
