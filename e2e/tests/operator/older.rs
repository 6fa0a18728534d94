//! A hub that serves only the older version of the add-on API, as older releases of Open Cluster
//! Management do, and its upgrade. Open Cluster Management itself does not run before the upgrade,
//! because the available programs need the newer version.

use e2e::{Gateway, GatewayOptions, Operator, World, ocm::Ocm};
use serde_json::{Value, json};

use super::hub::{read, soon};

const CLUSTER: &str = "managed1";
const ADDON: &str = "addon.open-cluster-management.io/v1alpha1";
const USER: &str =
    "system:open-cluster-management:cluster:managed1:addon:cluster-gateway:agent:spokeway-agent";
const WORK: [&str; 4] = [
    "manifestwork",
    "addon-cluster-gateway-deploy-0",
    "-n",
    CLUSTER,
];

#[tokio::test]
async fn a_hub_with_the_older_api_gets_its_agents_and_keeps_them_at_its_upgrade() {
    let world = World::builder().cluster("hub").start().await.unwrap();
    let hub = world.cluster("hub");
    Ocm::install_older_kinds(hub).await.unwrap();
    Operator::install(hub).await.unwrap();
    let options = GatewayOptions::for_operator();
    let gateway = Gateway::start(hub, options).await.unwrap();
    let operator = Operator::start(hub, "operator-1", &[]).await.unwrap();
    let cluster = json!({
        "apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
        "metadata": {"name": CLUSTER}, "spec": {"hubAcceptsClient": true},
    });
    let labels = json!({"open-cluster-management.io/cluster-name": CLUSTER});
    let metadata = json!({"name": CLUSTER, "labels": labels});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
    for object in [cluster, namespace] {
        apply(hub, &object.to_string()).await;
    }
    apply(hub, &Operator::configuration(&gateway, &json!({}))).await;

    let work = soon("the work that brings the agent", || read(hub, &WORK)).await;
    assert_eq!(
        work["metadata"]["ownerReferences"][0]["apiVersion"], ADDON,
        "{work}"
    );
    let row = row(hub, "v1alpha1").await;
    let registration = &row["status"]["registrations"][0];
    assert_eq!(
        registration["signerName"], "kubernetes.io/kube-apiserver-client",
        "{row}"
    );
    assert_eq!(registration["subject"]["user"], USER, "{row}");
    let addon = ["clustermanagementaddon", "cluster-gateway"];
    let addon = read(hub, &addon).await.unwrap();
    let config = &addon["spec"]["supportedConfigs"][0]["resource"];
    assert_eq!(config, "addondeploymentconfigs", "{addon}");

    operator.stop().await;
    let before = (
        work["metadata"]["uid"].clone(),
        row["metadata"]["uid"].clone(),
    );
    let _ocm = Ocm::start(hub).await.unwrap();
    let _operator = Operator::start(hub, "operator-2", &[]).await.unwrap();
    let followed = || async {
        let work = read(hub, &WORK).await?;
        let owner = work["metadata"]["ownerReferences"][0]["apiVersion"].clone();
        let follows = owner == "addon.open-cluster-management.io/v1beta1";
        follows.then_some(work).ok_or_else(|| owner.to_string())
    };
    let work = soon("the newer version is spoken", followed).await;
    let row = self::row(hub, "v1beta1").await;
    assert_eq!(
        (
            work["metadata"]["uid"].clone(),
            row["metadata"]["uid"].clone()
        ),
        before
    );
    assert_eq!(
        row["status"]["registrations"][0]["type"], "kubeClient",
        "{row}"
    );
}

/// The `ManagedClusterAddOn` in that version.
async fn row(hub: &e2e::Cluster, version: &str) -> Value {
    let kind = format!("managedclusteraddons.{version}.addon.open-cluster-management.io");
    let row = [&kind, "cluster-gateway", "-n", CLUSTER];
    read(hub, &row).await.unwrap()
}

async fn apply(hub: &e2e::Cluster, manifest: &str) {
    let apply = hub.kubectl(&["apply", "-f", "-"]).stdin(manifest);
    apply.ok().await.unwrap();
}
