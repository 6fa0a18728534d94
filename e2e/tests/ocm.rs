//! Open Cluster Management itself, as the tests use it: clusters join, and add-ons get credentials.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

#[path = "ocm/accounts.rs"]
mod accounts;

use std::io::Write as _;

use e2e::{
    World,
    ocm::{KlusterletOptions, Ocm},
};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::time::Instant;

#[tokio::test]
async fn clusters_join_and_an_addons_agent_gets_its_own_name() {
    let builder = World::builder().cluster("hub").cluster("managed1");
    let world = builder.cluster("managed2").start().await.unwrap();
    let (hub, dialable) = (
        world.cluster("hub"),
        KlusterletOptions {
            dialable: true,
            ..Default::default()
        },
    );
    let ocm = Ocm::start(hub).await.unwrap();
    let begin = Instant::now();
    let klusterlet = ocm.join(world.cluster("managed1"), dialable).await.unwrap();
    tell(&format!(
        "joined and available after {:.1?}",
        begin.elapsed()
    ));
    let tokens = KlusterletOptions {
        addon_tokens: true,
        ..Default::default()
    };
    let by_token = ocm.join(world.cluster("managed2"), tokens).await.unwrap();

    let urls = |cluster: &DynamicObject| {
        cluster.data["spec"]["managedClusterClientConfigs"][0]["url"].clone()
    };
    let kind = GroupVersionKind::gvk("cluster.open-cluster-management.io", "v1", "ManagedCluster");
    let clusters = Api::<DynamicObject>::all_with(hub.client(), &ApiResource::from_gvk(&kind));
    let joined = clusters.get("managed1").await.unwrap();
    assert_eq!(urls(&joined), world.cluster("managed1").url());
    assert!(urls(&clusters.get("managed2").await.unwrap()).is_null());

    let addon = klusterlet.addon("cluster-proxy").await.unwrap();
    let who = whoami(&addon.kubeconfig()).await;
    assert_eq!(who.0, addon.identity().user());
    let groups = addon.identity().groups();
    assert!(groups.iter().all(|group| who.1.contains(group)), "{who:?}");

    let addon = by_token.addon("cluster-proxy").await.unwrap();
    let who = whoami(&addon.kubeconfig()).await;
    assert_eq!(who.0, "system:serviceaccount:managed2:cluster-proxy-agent");
}

async fn whoami(kubeconfig: &std::path::Path) -> (String, Vec<String>) {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    let reviews = Api::<SelfSubjectReview>::all(Client::try_from(config).unwrap());
    let review = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await;
    let user = review.unwrap().status.unwrap().user_info.unwrap();
    (user.username.unwrap(), user.groups.unwrap_or_default())
}

/// Prints a figure for the reader of the log.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
