//! Ways to a cluster that are configured: only the tunnel, or only the addresses.

use e2e::{Agent, AgentOptions, Gateway};

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
