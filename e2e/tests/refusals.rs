//! What the gateway refuses, and how; and what it does not refuse although something was closed. Each
//! refusal is a `metav1.Status` that names the cluster, the phase and the next step. All processes are
//! real.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

#[path = "refusals/answer.rs"]
mod answer;
#[path = "refusals/redirects.rs"]
mod redirects;
#[path = "refusals/requests.rs"]
mod requests;
#[path = "refusals/restless.rs"]
mod restless;
#[path = "refusals/spokes.rs"]
mod spokes;
#[path = "refusals/strangers.rs"]
mod strangers;

use e2e::{Cluster, Credentials, Gateway, GatewayOptions, SpokeOptions, World};
use tokio::sync::OnceCell;

const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";

/// A hub with a gateway, one good spoke, one that tests pause, and one that closes connections.
struct Stage {
    world: World,
    gateway: Gateway,
}

impl Stage {
    async fn shared() -> &'static Self {
        static STAGE: OnceCell<Stage> = OnceCell::const_new();
        STAGE
            .get_or_init(|| async { Self::start().await.unwrap() })
            .await
    }

    async fn start() -> anyhow::Result<Self> {
        let world = World::builder()
            .cluster("hub")
            .bare_cluster("managed1")
            .bare_cluster("frozen")
            .bare_cluster("restless")
            .restless()
            .start()
            .await?;
        let args = vec!["--response-header-timeout=2".to_owned()];
        let options = GatewayOptions {
            args,
            ..GatewayOptions::default()
        };
        let gateway = Gateway::start(world.cluster("hub"), options).await?;
        for spoke in ["managed1", "frozen", "restless"] {
            gateway
                .register_spoke(world.cluster(spoke), SpokeOptions::default())
                .await?;
        }
        Ok(Self { world, gateway })
    }

    fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    /// A client at the gateway's own port, with the hub's front-proxy certificate, like the hub's
    /// API server.
    fn as_hub(&self) -> kube::Client {
        let identity = self.hub().front_proxy_client().clone();
        self.gateway
            .client_with(&Credentials::Certificate(identity))
    }
}

fn proxy(cluster: &str, tail: &str) -> String {
    format!("{GATEWAYS}/{cluster}/proxy{tail}")
}
