//! From a `ManagedServiceAccount` to kubectl on a derived cluster, and back.

use std::{fmt::Display, time::Duration};

use e2e::{
    Cluster, Enrolled, Gateway, GatewayOptions, ON_LOOPBACK, World,
    enrolled::{ADDON, TOKEN_NAMESPACE, prepare_hub},
    eventually,
    ocm::{KlusterletOptions, Ocm},
};

const HEALTHZ: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy/healthz";
const NAMESPACES: &str =
    "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy/api/v1/namespaces";
const ACCOUNT: &str = "cluster-gateway";
const SOON: Duration = Duration::from_secs(30);
/// OCM checks leases every 30 s.
const AVAILABLE_WITHIN: Duration = Duration::from_mins(2);

#[tokio::test]
async fn an_account_opens_a_cluster_and_its_deletion_closes_it() {
    let world = World::builder().cluster("hub").cluster("managed1");
    let world = world.start().await.unwrap();
    let (hub, spoke) = (world.cluster("hub"), world.cluster("managed1"));
    let ocm = Ocm::start(hub).await.unwrap();
    prepare_hub(hub).await.unwrap();
    let options = GatewayOptions {
        args: vec![
            format!("--managed-service-account={ACCOUNT}"),
            ON_LOOPBACK.to_owned(),
        ],
        ..GatewayOptions::default()
    };
    let _gateway = Gateway::start(hub, options).await.unwrap();
    let behind_a_tunnel = KlusterletOptions::default();
    let enrolled = Enrolled::start(&ocm, hub, spoke, behind_a_tunnel).await;
    let enrolled = enrolled.unwrap();

    let before = raw(hub, HEALTHZ).await.unwrap_err();
    assert!(
        before.contains("managed1") && before.contains(ACCOUNT),
        "{before}"
    );
    enrolled.account(ACCOUNT, "view").await.unwrap();
    soon("healthz", || raw(hub, HEALTHZ)).await;
    // The role arrives separately from the token.
    let listed = soon("namespaces", || raw(hub, NAMESPACES)).await;
    assert!(listed.contains("NamespaceList"), "{listed}");
    let shown = kubectl(hub, &["get", "clustergateway", "--no-headers"]).await;
    let shown = shown.unwrap();
    assert!(
        shown.contains("ServiceAccountToken") && shown.contains("ClusterProxy"),
        "{shown}"
    );
    is_available(hub).await;

    // A new agent finds the account as it was, and the token stays valid.
    enrolled.agent().kill();
    enrolled.agent().restart().await.unwrap();
    soon("healthz after a restart", || raw(hub, HEALTHZ)).await;

    let delete = ["delete", "managedserviceaccount", ACCOUNT, "-n", "managed1"];
    kubectl(hub, &delete).await.unwrap();
    soon("a closed cluster", || async {
        raw(hub, HEALTHZ).await.map_or_else(Ok, Err)
    })
    .await;
    let left = [
        "get",
        "serviceaccounts",
        "-n",
        TOKEN_NAMESPACE,
        "-o",
        "name",
    ];
    let left = kubectl(spoke, &left).await.unwrap();
    assert!(!left.contains(ACCOUNT), "{left}");
}

/// Waits until OCM reports the add-on as available, which OCM derives from the lease.
async fn is_available(hub: &Cluster) {
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
    let available = || async {
        let status = kubectl(hub, &get).await?;
        if status == "True" {
            Ok(())
        } else {
            Err(format!("Available is {status:?}"))
        }
    };
    eventually(AVAILABLE_WITHIN, "the add-on is available", available)
        .await
        .unwrap();
}

async fn raw(hub: &Cluster, path: &str) -> Result<String, String> {
    kubectl(hub, &["get", "--raw", path]).await
}

async fn kubectl(cluster: &Cluster, args: &[&str]) -> Result<String, String> {
    let done = cluster.kubectl(args).ok().await;
    done.map_err(|error| error.to_string())
}

async fn soon<T, E: Display, F: Future<Output = Result<T, E>>>(
    what: &str,
    probe: impl FnMut() -> F,
) -> T {
    eventually(SOON, what, probe).await.unwrap()
}
