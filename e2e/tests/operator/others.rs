//! What others can decide: add-ons of theirs with the same names, and how the agent is deployed.

use e2e::ocm::KlusterletOptions;
use serde_json::{Value, json};

use super::{
    hub::{kubectl, read, soon},
    stage::Stage,
};

const CLUSTER: &str = "managed1";
const ADDON_GROUP: &str = "addon.open-cluster-management.io";

#[tokio::test]
async fn an_addon_of_others_is_used_until_it_goes_and_the_agent_goes_where_it_is_told() {
    let stage = Stage::set(&[(CLUSTER, KlusterletOptions::default())], &[]).await;
    theirs(&stage).await;
    stage.configure(&json!({})).await;
    let without_tokens = || async {
        let arguments = arguments(&stage, "open-cluster-management-agent-addon").await?;
        let tokens = arguments.iter().any(|it| it.contains("tokens"));
        if tokens {
            Err(arguments.join(" "))
        } else {
            Ok(())
        }
    };
    soon("an agent that leaves tokens to others", without_tokens).await;
    let row = [
        "managedclusteraddon",
        "managed-serviceaccount",
        "-n",
        CLUSTER,
    ];
    let row = read(stage.hub(), &row).await.unwrap();
    assert!(row["metadata"]["labels"].is_null(), "{row}");

    for kind in ["managedclusteraddon", "clustermanagementaddon"] {
        let delete = ["delete", kind, "managed-serviceaccount", "-n", CLUSTER];
        stage.kubectl(&delete).await.unwrap();
    }
    soon("ours takes over", || stage.through(CLUSTER, "/healthz")).await;

    configure_agent(&stage).await;
    soon("the agent is elsewhere", || arguments(&stage, "agents")).await;
    soon("it is carried out, and said", || carried_out(&stage)).await;
    soon("the default stays", || keeps_default(&stage)).await;
    soon("reachable", || stage.through(CLUSTER, "/healthz")).await;
    let left = kubectl(
        stage.world.cluster(CLUSTER),
        &["get", "deployment", "-A", "-o", "name"],
    );
    assert_eq!(left.await.unwrap().trim(), "deployment.apps/spokeway-agent");
}

/// An add-on as another manager creates it.
async fn theirs(stage: &Stage) {
    let version = format!("{ADDON_GROUP}/v1alpha1");
    let manager = json!({
        "apiVersion": version, "kind": "ClusterManagementAddOn",
        "metadata": {"name": "managed-serviceaccount"},
        "spec": {"installStrategy": {"type": "Manual"}},
    });
    let row = json!({
        "apiVersion": version, "kind": "ManagedClusterAddOn",
        "metadata": {"name": "managed-serviceaccount", "namespace": CLUSTER}, "spec": {},
    });
    for object in [manager, row] {
        stage.apply_server_side(&object).await;
    }
}

async fn configure_agent(stage: &Stage) {
    let config = json!({
        "apiVersion": format!("{ADDON_GROUP}/v1alpha1"), "kind": "AddOnDeploymentConfig",
        "metadata": {"name": "agents", "namespace": "default"},
        "spec": {
            "agentInstallNamespace": "agents",
            "nodePlacement": {"nodeSelector": {"zone": "a"}},
            "customizedVariables": [{"name": "AGENT_LOG", "value": "debug"}],
        },
    });
    stage.apply_server_side(&config).await;
    // The default of the whole fleet, which its administrator edits.
    let addon = "clustermanagementaddons.v1beta1.addon.open-cluster-management.io/cluster-gateway";
    let default = json!([{"op": "replace", "path": "/spec/defaultConfigs/0", "value": {
        "group": ADDON_GROUP, "resource": "addondeploymentconfigs",
        "namespace": "default", "name": "agents",
    }}]);
    let default = default.to_string();
    let patch = ["patch", addon, "--type=json", "-p", &default];
    stage.kubectl(&patch).await.unwrap();
}

async fn carried_out(stage: &Stage) -> Result<(), String> {
    let row = ["managedclusteraddon", "cluster-gateway", "-n", CLUSTER];
    let row = read(stage.hub(), &row).await?;
    let reference = &row["status"]["configReferences"][0];
    let applied = !reference["desiredConfig"].is_null()
        && reference["lastAppliedConfig"] == reference["desiredConfig"];
    if applied {
        Ok(())
    } else {
        Err(row["status"].to_string())
    }
}

/// The default is left to whoever chose it.
async fn keeps_default(stage: &Stage) -> Result<(), String> {
    let addon = "clustermanagementaddons.v1beta1.addon.open-cluster-management.io";
    let addon = read(stage.hub(), &[addon, "cluster-gateway"]).await?;
    if addon["spec"]["defaultConfigs"][0]["name"] == "agents" {
        Ok(())
    } else {
        Err(addon.to_string())
    }
}

/// The arguments and environment variables of the agent that is deployed there.
async fn arguments(stage: &Stage, namespace: &str) -> Result<Vec<String>, String> {
    let spoke = stage.world.cluster(CLUSTER);
    let deployment = ["deployment", "spokeway-agent", "-n", namespace];
    let deployment = read(spoke, &deployment).await?;
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let arguments = container["args"].as_array().into_iter().flatten();
    Ok(arguments
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect())
}
