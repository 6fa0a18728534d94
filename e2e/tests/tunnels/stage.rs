//! A hub, one or two spokes behind tunnels, and a gateway where agents attach at both entrances.

use std::time::Duration;

use e2e::{
    Agent, AgentOptions, Cluster, Gateway, GatewayOptions, Identity, SpokeOptions, TunnelPort,
    World, eventually,
};
use http::Request;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

pub(crate) const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";

/// Dropped in this order: logs go with the world.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) tunnel_port: TunnelPort,
    pub(crate) world: World,
}

impl Stage {
    /// A stage without attached agents. `managed1` is registered as tunnelled.
    pub(crate) async fn with_one() -> Self {
        Self::start(&["managed1"]).await
    }

    /// A stage without attached agents. `managed1` and `managed2` are registered as tunnelled.
    pub(crate) async fn with_two() -> Self {
        Self::start(&["managed1", "managed2"]).await
    }

    async fn start(spokes: &[&str]) -> Self {
        let mut world = World::builder().cluster("hub");
        for spoke in spokes {
            world = world.bare_cluster(spoke);
        }
        let world = world.start().await.unwrap();
        let tunnel_port = TunnelPort::new(world.directory(), "localhost").unwrap();
        let exposed = "--expose=web/front:80,web/back:80".to_owned();
        let args = tunnel_port.of_gateway().into_iter().chain([exposed]);
        let options = GatewayOptions {
            args: args.collect(),
            ..GatewayOptions::default()
        };
        let gateway = Gateway::start(world.cluster("hub"), options).await.unwrap();
        for spoke in spokes {
            let tunnelled = SpokeOptions {
                tunnelled: true,
                ..SpokeOptions::default()
            };
            gateway
                .register_spoke(world.cluster(spoke), tunnelled)
                .await
                .unwrap();
        }
        Self {
            gateway,
            tunnel_port,
            world,
        }
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    /// An agent that attaches through the hub's API server.
    pub(crate) async fn agent(&self, spoke: &str) -> Agent {
        let options = AgentOptions::default();
        let spoke_cluster = self.world.cluster(spoke);
        let agent = Agent::attached(self.hub(), spoke_cluster, options)
            .await
            .unwrap();
        self.reached(spoke).await;
        agent
    }

    /// Waits until the gateway has attached an agent of the spoke. The agent itself knows it a
    /// moment earlier.
    pub(crate) async fn reached(&self, spoke: &str) {
        let reached = || async {
            let (_, body) = self.get(spoke, "/healthz").await;
            if body.contains("no agent of this cluster is connected") {
                Err(body)
            } else {
                Ok(())
            }
        };
        eventually(
            Duration::from_secs(10),
            "the gateway has the tunnel",
            reached,
        )
        .await
        .unwrap();
    }

    /// The flags of an agent that attaches at the tunnel port with this certificate.
    pub(crate) fn by_mtls(&self, name: &str, identity: &Identity) -> AgentOptions {
        let args = self.tunnel_port.of_agent(&self.gateway, name, identity);
        AgentOptions {
            args: args.unwrap().into(),
            ..AgentOptions::default()
        }
    }

    /// GETs a path of a managed cluster through the hub, and returns status and body.
    pub(crate) async fn get(&self, spoke: &str, tail: &str) -> (u16, String) {
        get(
            &self.hub().client(),
            &format!("{GATEWAYS}/{spoke}/proxy{tail}"),
        )
        .await
    }

    /// GETs a path of a managed cluster's service through the hub, and returns status and body.
    pub(crate) async fn service(&self, spoke: &str, service: &str) -> (u16, String) {
        get(
            &self.hub().client(),
            &format!("{GATEWAYS}/{spoke}/services/{service}"),
        )
        .await
    }

    /// What `kubectl get clustergateway` shows of a cluster.
    pub(crate) async fn shown(&self, spoke: &str) -> String {
        let get = ["get", "clustergateway", spoke, "--no-headers"];
        self.hub().kubectl(&get).ok().await.unwrap()
    }

    /// What the conditions of a cluster say.
    pub(crate) async fn said(&self, spoke: &str) -> String {
        let get = ["get", "clustergateway", spoke, "-o"];
        let get = [&get[..], &["jsonpath={.status.conditions[*].message}"]].concat();
        self.hub().kubectl(&get).ok().await.unwrap()
    }

    /// One of the gateway's counters, summed over its labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let config = Config::new(self.gateway.admin_url().parse().unwrap());
        let (_, text) = get(&Client::try_from(config).unwrap(), "/metrics").await;
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

/// A client of a managed cluster through the hub, as the hub's admin.
pub(crate) async fn through_hub(hub: &Cluster, cluster: &str) -> Client {
    let server = format!("{}{GATEWAYS}/{cluster}/proxy", hub.url());
    let file = format!("{cluster}-through-hub.kubeconfig");
    let file = hub.write_kubeconfig(&file, &server, &hub.ca_pem(), hub.admin());
    let kubeconfig = Kubeconfig::read_from(file.unwrap()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.unwrap()).unwrap()
}

pub(crate) async fn get(client: &Client, path: &str) -> (u16, String) {
    let request = Request::get(path);
    send(client, request.body(kube::client::Body::empty()).unwrap()).await
}

/// Sends a request, and returns status and body.
pub(crate) async fn send(client: &Client, request: Request<kube::client::Body>) -> (u16, String) {
    let response = client.send(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect_bytes().await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}
