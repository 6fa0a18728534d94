//! Ways to a cluster that are configured: only the tunnel, or only the addresses.

use std::net::TcpListener;

use e2e::{Agent, AgentOptions, Gateway, ON_LOOPBACK};

use crate::stage::Stage;

#[tokio::test]
async fn egress_direct_never_takes_a_tunnel_and_egress_tunnel_never_an_address() {
    let mut stage = Stage::start(&["--egress=direct"]).await;
    stage.register("managed1", &[stage.spoke().url()]).await;
    stage.project("managed1", "chosen").await;
    stage.answers("managed1", 200, "default").await;
    let options = AgentOptions::default();
    let agent = Agent::attached(stage.hub(), stage.spoke(), options).await;
    let agent = agent.unwrap();
    // There is a tunnel, but it is not used.
    stage.shows("managed1", &["Const", "true"]).await;
    agent.process().pause();
    stage.answers("managed1", 200, "default").await;
    agent.process().resume();
    agent.kill();
    stage.register("addressless", &[]).await;
    stage.project("addressless", "chosen").await;
    stage.shows("addressless", &["false"]).await;
    stage.answers("addressless", 502, "").await;

    stage.gateway.kill();
    let tunnel = Stage::options(&["--egress=tunnel"]);
    stage.gateway = Gateway::start(stage.hub(), tunnel).await.unwrap();
    // Its address could be dialled, but it is not used.
    stage
        .answers("managed1", 503, "no agent of this cluster is connected")
        .await;
    stage.shows("managed1", &["ClusterProxy", "false"]).await;
    agent.restart().await.unwrap();
    stage.answers("managed1", 200, "default").await;
    stage.shows("managed1", &["ClusterProxy", "true"]).await;
}

#[tokio::test]
async fn an_address_that_nobody_has_allowed_is_never_dialled() {
    let mut stage = Stage::start(&[]).await;
    stage.gateway.kill();
    let mut options = Stage::options(&["--egress=direct", "--egress-address=0.0.0.0/0"]);
    options.args.retain(|arg| arg != ON_LOOPBACK);
    stage.gateway = Gateway::start(stage.hub(), options).await.unwrap();
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    door.set_nonblocking(true).unwrap();
    let url = format!("https://localhost:{}", door.local_addr().unwrap().port());
    stage.register("prober", &[&url]).await;
    stage.project("prober", "prober").await;
    stage
        .answers("prober", 502, "may not connect to localhost")
        .await;
    assert!(door.accept().is_err());
}
