//! The migration from the Go add-ons to ours and back, as in `docs/migration.md`. Clients change
//! nothing, and neither side touches the objects of the other one.

use e2e::{
    GatewayOptions, GoStack, SpokeOptions, UpstreamMsa, World, go_stack, ocm::KlusterletOptions,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    hub::{read, soon, tell},
    stage::Stage,
};

const CLUSTER: &str = "managed1";
const ACCOUNT: &str = "cluster-gateway";
const ADDONS: [&str; 3] = ["cluster-gateway", "cluster-proxy", "managed-serviceaccount"];
const API_SERVICE: &str = "v1alpha1.cluster.core.oam.dev";
const OURS: &str = "app.kubernetes.io/managed-by=spokeway-operator";

#[tokio::test]
async fn from_the_go_addons_to_ours_and_back() {
    let Ok(address) = go_stack::spoke_address() else {
        tell("skipped: the Go gateway dials port 443 only, which takes root here");
        return;
    };
    let builder = World::builder().cluster("hub");
    let world = builder.cluster_at(CLUSTER, address).start().await.unwrap();
    let options = GatewayOptions {
        secret_namespace: go_stack::SECRETS.to_owned(),
        ..GatewayOptions::for_operator()
    };
    let joins = [(CLUSTER, KlusterletOptions::default())];
    let stage = Stage::on(world, &joins, &[], options).await;
    let (hub, spoke) = (stage.hub(), stage.world.cluster(CLUSTER));
    let go = GoStack::start(hub, spoke).await.unwrap();
    let agent = UpstreamMsa::start(hub, spoke, CLUSTER).await.unwrap();
    theirs(&stage).await;
    soon("healthz by the Go gateway", || {
        stage.through(CLUSTER, "/healthz")
    })
    .await;

    both_are_installed(&stage).await;
    hand_over(&stage, &go, &agent).await;
    hand_back(&stage, &go, &agent).await;
}

/// The objects of the Go add-ons' managers on the hub.
async fn theirs(stage: &Stage) {
    let version = "addon.open-cluster-management.io/v1alpha1";
    for addon in ADDONS {
        let manager = json!({
            "apiVersion": version, "kind": "ClusterManagementAddOn", "metadata": {"name": addon},
            "spec": {"installStrategy": {"type": "Manual"}},
        });
        let row = json!({
            "apiVersion": version, "kind": "ManagedClusterAddOn",
            "metadata": {"name": addon, "namespace": CLUSTER}, "spec": {},
        });
        for object in [manager, row] {
            stage.apply_server_side(&object).await;
        }
    }
    let row = [
        "get",
        "managedclusteraddon",
        ACCOUNT,
        "-n",
        CLUSTER,
        "-o",
        "jsonpath={.metadata.uid}",
    ];
    let uid = stage.kubectl(&row).await.unwrap();
    let account = json!({
        "apiVersion": "authentication.open-cluster-management.io/v1alpha1", "kind": "ManagedServiceAccount",
        "metadata": {"name": ACCOUNT, "namespace": CLUSTER, "ownerReferences": [{
            "apiVersion": version, "kind": "ManagedClusterAddOn", "name": ACCOUNT, "uid": uid,
        }]},
        "spec": {"rotation": {"enabled": true, "validity": "4320h"}},
    });
    stage.apply_server_side(&account).await;
    let token = ["get", "secret", ACCOUNT, "-n", CLUSTER];
    soon("a token by upstream's agent", || stage.kubectl(&token)).await;
    let options = SpokeOptions::default();
    let spoke = stage.world.cluster(CLUSTER);
    stage.gateway.register_spoke(spoke, options).await.unwrap();
}

/// Ours is installed beside theirs. It reports what is in its way, and does not touch any of it.
async fn both_are_installed(stage: &Stage) {
    let resources =
        "clustermanagementaddons,managedclusteraddons,managedserviceaccounts,apiservices";
    let listed = ["get", resources, "-A", "-o", "json"];
    let before = generations(&stage.kubectl(&listed).await.unwrap());
    stage.configure(&json!({})).await;
    let says = || async { says(stage, "ForeignAddOn", "ForeignAPIService").await };
    soon("what is in the way is said", says).await;
    stage.through(CLUSTER, "/healthz").await.unwrap();
    assert_eq!(generations(&stage.kubectl(&listed).await.unwrap()), before);
}

async fn hand_over(stage: &Stage, go: &GoStack, agent: &UpstreamMsa) {
    agent.process().kill();
    go.kill();
    delete(stage, "clustermanagementaddon", &ADDONS).await;
    delete(stage, "apiservice", &[API_SERVICE]).await;
    let begin = Instant::now();
    soon("healthz by ours", || stage.through(CLUSTER, "/healthz")).await;
    tell(&format!("handed over after {:.1?}", begin.elapsed()));
    let rows = [
        "get",
        "managedclusteraddon",
        "-n",
        CLUSTER,
        "-l",
        OURS,
        "-o",
        "name",
    ];
    let three = || async {
        let rows = stage.kubectl(&rows).await?;
        (rows.lines().count() == 3).then_some(()).ok_or(rows)
    };
    soon("three rows of ours", three).await;
    let shown = ["get", "clustergateway", CLUSTER, "--no-headers"];
    let by_secret = stage.kubectl(&shown).await.unwrap();
    assert!(by_secret.contains("Const"), "{by_secret}");

    // The copy that the Go installer made of its token would be used forever and never renewed.
    let copy = ["delete", "secret", CLUSTER, "-n", go_stack::SECRETS];
    stage.kubectl(&copy).await.unwrap();
    let by_account = || async {
        let shown = stage.kubectl(&shown).await?;
        let tunnelled = shown.contains("ClusterProxy") && shown.contains("ServiceAccountToken");
        tunnelled.then_some(()).ok_or(shown)
    };
    soon(
        "the account's token is used, through our tunnel",
        by_account,
    )
    .await;
    soon("healthz through our tunnel", || {
        stage.through(CLUSTER, "/healthz")
    })
    .await;
}

async fn hand_back(stage: &Stage, go: &GoStack, agent: &UpstreamMsa) {
    delete(stage, "gatewayconfiguration", &["default"]).await;
    let left = "clustermanagementaddons,managedclusteraddons,manifestworks,managedserviceaccounts,apiservices";
    let left = ["get", left, "-A", "-l", OURS, "-o", "name"];
    assert_eq!(stage.kubectl(&left).await.unwrap(), "");
    let (begin, spoke) = (Instant::now(), stage.world.cluster(CLUSTER));
    agent.process().restart().unwrap();
    go.restart().await.unwrap();
    theirs(stage).await;
    assert_eq!(go.hub().name(), "hub");
    soon("healthz by the Go gateway", || {
        stage.through(CLUSTER, "/healthz")
    })
    .await;
    tell(&format!("handed back after {:.1?}", begin.elapsed()));
    let deployments = spoke
        .kubectl(&["get", "deployment", "-A", "-o", "name"])
        .ok()
        .await;
    assert_eq!(deployments.unwrap(), "");
}

async fn delete(stage: &Stage, kind: &str, names: &[&str]) {
    let mut arguments = vec!["delete", kind, "--timeout=60s"];
    arguments.extend(names);
    stage.kubectl(&arguments).await.unwrap();
}

async fn says(stage: &Stage, addons: &str, gateway: &str) -> Result<(), String> {
    let object = read(stage.hub(), &["gatewayconfiguration", "default"]).await?;
    let conditions = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    let reasons: Vec<_> = conditions.filter_map(|it| it["reason"].as_str()).collect();
    let both = reasons.contains(&addons) && reasons.contains(&gateway);
    both.then_some(())
        .ok_or_else(|| object["status"].to_string())
}

/// The UID and the generation of each object.
fn generations(list: &str) -> Vec<String> {
    let list: Value = serde_json::from_str(list).unwrap();
    let objects = list["items"].as_array().unwrap().iter();
    let mut all: Vec<_> = objects
        .map(|object| {
            let metadata = &object["metadata"];
            let (uid, labels) = (&metadata["uid"], &metadata["labels"]);
            format!(
                "{} {uid} {} {labels}",
                metadata["name"], metadata["generation"]
            )
        })
        .collect();
    all.sort();
    all
}
