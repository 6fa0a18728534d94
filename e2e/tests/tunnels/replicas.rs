//! Two gateways behind a Service that picks one at random: each has a tunnel of each cluster.

use std::time::Duration;

use e2e::{
    Agent, AgentOptions, Credentials, GatewayOptions, Replicas, SpokeOptions, World, eventually,
};
use http::Request;

use super::stage::{GATEWAYS, get};

const SPOKES: [&str; 2] = ["managed1", "managed2"];
/// The promise of docs/operations.md.
const SPREAD_WITHIN: Duration = Duration::from_secs(30);

struct Stage {
    world: World,
    replicas: Replicas,
    _agents: Vec<Agent>,
}

impl Stage {
    async fn start() -> Self {
        let world = World::builder()
            .cluster("hub")
            .cluster("managed1")
            .cluster("managed2");
        let world = world.start().await.unwrap();
        let hub = world.cluster("hub");
        let options = GatewayOptions::default();
        let replicas = Replicas::start(hub, &options, 2).await.unwrap();
        let mut agents = Vec::new();
        for name in SPOKES {
            let spoke = world.cluster(name);
            let tunnelled = SpokeOptions {
                tunnelled: true,
                ..SpokeOptions::default()
            };
            let registered = replicas.each()[0].register_spoke(spoke, tunnelled);
            registered.await.unwrap();
            let agent = Agent::attached(hub, spoke, AgentOptions::default());
            agents.push(agent.await.unwrap());
        }
        Self {
            world,
            replicas,
            _agents: agents,
        }
    }

    /// Each gateway answers for each cluster by itself.
    async fn is_spread(&self) -> Result<(), String> {
        let hub = self.world.cluster("hub").front_proxy_client();
        let hub = Credentials::Certificate(hub.clone());
        for gateway in self.replicas.each() {
            for spoke in SPOKES {
                let request = Request::get(format!("{GATEWAYS}/{spoke}/proxy/healthz"))
                    .header("X-Remote-User", "admin")
                    .header("X-Remote-Group", "system:masters")
                    .body(kube::client::Body::empty())
                    .unwrap();
                let (status, body) = send(&gateway.client_with(&hub), request).await?;
                if status != 200 {
                    return Err(format!("{spoke} at port {}: {body}", gateway.port()));
                }
            }
        }
        Ok(())
    }

    async fn spreads(&self) {
        let spread = || self.is_spread();
        eventually(SPREAD_WITHIN, "each gateway has each tunnel", spread)
            .await
            .unwrap();
    }

    /// By the hub, whichever gateway its connection leads to.
    async fn answers_forty_times(&self, spoke: &str) {
        for number in 0..40 {
            // Another connection each time, as other API servers of the hub have.
            let client = self.world.cluster("hub").client();
            let path = format!("{GATEWAYS}/{spoke}/proxy/healthz");
            let (status, body) = get(&client, &path).await;
            assert_eq!((status, &*body), (200, "ok"), "{spoke}, request {number}");
        }
    }
}

async fn send(
    client: &kube::Client,
    request: Request<kube::client::Body>,
) -> Result<(u16, String), String> {
    let answered = client.send(request).await;
    let response = answered.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let body = response.into_body().collect_bytes().await;
    let body = body.map_err(|error| error.to_string())?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[tokio::test]
async fn each_of_two_gateways_answers_for_each_cluster_and_again_after_a_restart() {
    let stage = Stage::start().await;
    stage.spreads().await;
    for spoke in SPOKES {
        stage.answers_forty_times(spoke).await;
    }
    for gateway in stage.replicas.each() {
        gateway.kill();
        gateway.restart().await.unwrap();
        stage.spreads().await;
        for spoke in SPOKES {
            stage.answers_forty_times(spoke).await;
        }
    }
}
