//! A gateway's life at a hub, as other tests change it.

use e2e::{Gateway, GatewayOptions, SpokeOptions, World};

const HEALTHZ: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/other/proxy/healthz";

#[tokio::test]
async fn a_gateway_is_registered_restarted_and_taken_out_again() {
    let world = World::builder().cluster("solo").start().await.unwrap();
    let solo = world.cluster("solo");
    let healthz = || solo.kubectl(&["get", "--raw", HEALTHZ]).ok();
    let gateway = Gateway::start(solo, GatewayOptions::default())
        .await
        .unwrap();
    let options = SpokeOptions {
        name: Some("other".to_owned()),
        ..SpokeOptions::default()
    };
    gateway.register_spoke(solo, options).await.unwrap();
    assert_eq!(healthz().await.unwrap(), "ok");

    assert!(gateway.stop().await.success());
    healthz().await.unwrap_err();
    gateway.restart().await.unwrap();
    assert_eq!(healthz().await.unwrap(), "ok");

    gateway.unregister().await.unwrap();
    healthz().await.unwrap_err();
    gateway.register().await.unwrap();
    assert_eq!(healthz().await.unwrap(), "ok");
}

#[tokio::test]
async fn tests_share_a_gateway_with_the_spoke_registered() {
    let gateway = Gateway::shared().await;
    let names = gateway
        .world
        .cluster("hub")
        .kubectl(&["get", "clustergateways", "-o", "name"]);
    assert_eq!(
        names.ok().await.unwrap(),
        "clustergateway.cluster.core.oam.dev/managed1\n"
    );
}
