//! From a ManagedServiceAccount to kubectl on a cluster that nobody described by hand, and back.

use std::time::Duration;

use e2e::{
    Enrolled, Gateway, GatewayOptions, World,
    enrolled::{ADDON, prepare_hub},
    eventually,
    ocm::{KlusterletOptions, Ocm},
};

const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";
const SOON: Duration = Duration::from_secs(20);
/// OCM looks at leases every half minute.
const AVAILABLE_WITHIN: Duration = Duration::from_secs(100);

#[tokio::test]
async fn an_account_opens_a_cluster_and_its_deletion_closes_it() {
    let world = World::builder().cluster("hub").cluster("managed1");
    let world = world.start().await.unwrap();
    let (hub, spoke) = (world.cluster("hub"), world.cluster("managed1"));
    let ocm = Ocm::start(hub).await.unwrap();
    prepare_hub(hub).await.unwrap();
    let options = GatewayOptions {
        args: vec!["--managed-service-account=cluster-gateway".to_owned()],
        ..GatewayOptions::default()
    };
    let _gateway = Gateway::start(hub, options).await.unwrap();
    let behind_tunnel = KlusterletOptions::default();
    let enrolled = Enrolled::start(&ocm, hub, spoke, behind_tunnel)
        .await
        .unwrap();

    let healthz = format!("{GATEWAYS}/managed1/proxy/healthz");
    let namespaces = format!("{GATEWAYS}/managed1/proxy/api/v1/namespaces");
    let raw = async |path: &str| hub.kubectl(&["get", "--raw", path]).ok().await;
    let before = raw(&healthz).await.unwrap_err().to_string();
    assert!(
        before.contains("managed1") && before.contains("cluster-gateway"),
        "{before}"
    );

    enrolled.account("cluster-gateway", "view").await.unwrap();
    eventually(SOON, "healthz through the gateway", || raw(&healthz))
        .await
        .unwrap();
    let listed = eventually(SOON, "namespaces", || raw(&namespaces))
        .await
        .unwrap();
    assert!(listed.contains("NamespaceList"), "{listed}");
    let shown = hub
        .kubectl(&["get", "clustergateway", "--no-headers"])
        .ok()
        .await
        .unwrap();
    assert!(
        shown.contains("ServiceAccountToken") && shown.contains("ClusterProxy"),
        "{shown}"
    );

    let available = || async {
        let condition = r#"jsonpath={.status.conditions[?(@.type=="Available")].status}"#;
        let get = [
            "get",
            "managedclusteraddon",
            ADDON,
            "-n",
            "managed1",
            "-o",
            condition,
        ];
        let status = hub
            .kubectl(&get)
            .ok()
            .await
            .map_err(|error| error.to_string())?;
        if status == "True" {
            Ok(())
        } else {
            Err(status)
        }
    };
    eventually(AVAILABLE_WITHIN, "the add-on is available", available)
        .await
        .unwrap();

    // A new agent finds the account as it was left, and the token goes on.
    enrolled.agent().kill();
    enrolled.agent().restart().await.unwrap();
    eventually(SOON, "healthz after a restart", || raw(&healthz))
        .await
        .unwrap();

    let delete = [
        "delete",
        "managedserviceaccount",
        "cluster-gateway",
        "-n",
        "managed1",
    ];
    hub.kubectl(&delete).ok().await.unwrap();
    let closed = || async {
        match raw(&healthz).await {
            Ok(answer) => Err(answer),
            Err(_) => Ok(()),
        }
    };
    eventually(SOON, "the cluster is closed", closed)
        .await
        .unwrap();
    let accounts = [
        "get",
        "serviceaccounts",
        "-n",
        e2e::enrolled::TOKEN_NAMESPACE,
        "-o",
        "name",
    ];
    let left = spoke.kubectl(&accounts).ok().await.unwrap();
    assert!(!left.contains("cluster-gateway"), "{left}");
}
