//! A gateway with the arguments of the Go program's users.

use std::fs;

use e2e::{Gateway, GatewayOptions, SpokeOptions, World};
use http::StatusCode;

use crate::{
    door::{Caller, Door},
    managed::permit,
    proxy,
};

/// What `KubeVela`'s chart passes besides what the harness does.
const KUBEVELA: [&str; 4] = [
    "apiserver",
    "--feature-gates=APIPriorityAndFairness=false,ClientIdentityPenetration=false",
    "--cluster-gateway-proxy-config=/etc/proxy-config/config.yaml",
    "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
];

#[tokio::test]
async fn the_arguments_of_kubevela_start_a_gateway_that_needs_none_of_our_kinds() {
    let world = World::builder().cluster("solo").start().await.unwrap();
    let solo = world.cluster("solo");
    let options = GatewayOptions {
        args: KUBEVELA.map(str::to_owned).to_vec(),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(solo, options).await.unwrap();
    let spoke = SpokeOptions::default();
    gateway.register_spoke(solo, spoke).await.unwrap();
    permit(solo, "vela").await;
    let door = Door::open(&gateway).await;
    assert_eq!(door.get("/readyz").await.0, StatusCode::OK);
    let namespace = proxy("solo", "/api/v1/namespaces/default");
    let answer = door.get_as(Caller::User("vela"), &namespace).await;
    assert_eq!(answer.0, StatusCode::OK, "{}", answer.1);
    // It is open at the admin address only.
    let metrics = door.get_as(Caller::User("vela"), "/metrics").await;
    assert_eq!(metrics.0, StatusCode::FORBIDDEN, "{}", metrics.1);
    let metrics = door.get("/metrics").await.1;
    let counted = "ocm_proxy_proxied_resource_requests_by_resource_total\
                   {resource=\"namespaces\",verb=\"get\",code=\"200\"} 1";
    assert!(metrics.contains(counted), "{metrics}");

    let log = fs::read_to_string(gateway.directory().join("gateway-server.log")).unwrap();
    assert!(!log.contains("cannot watch"), "{log}");
    for flag in ["APIPriorityAndFairness", "--cluster-gateway-proxy-config"] {
        let told = log
            .lines()
            .filter(|line| line.contains("no effect") && line.contains(flag));
        assert_eq!(told.count(), 1, "{flag} in {log}");
    }
}
