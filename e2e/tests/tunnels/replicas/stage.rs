//! A hub with two gateways, and two spokes that can be reached only through a tunnel.

use std::time::Duration;

use e2e::{
    Agent, AgentOptions, Cluster, Credentials, Gateway, GatewayOptions, Http1, Metrics, Replicas,
    SpokeOptions, World, eventually,
};
use futures::AsyncBufRead;
use http::{Request, request::Builder};
use kube::client::Body;

use super::streams::WEBSOCKET;
use crate::stage::{GATEWAYS, get};

pub(super) const SPOKES: [&str; 2] = ["managed1", "managed2"];
/// The time limit that docs/operations.md promises.
const SPREAD_WITHIN: Duration = Duration::from_secs(30);
/// The path of a watch that sends an event at once.
const DEFAULT_NAMESPACE: &str =
    "/api/v1/namespaces?watch=true&fieldSelector=metadata.name%3Ddefault";
/// The caller of a gateway that is called directly, as the hub's API server would name it.
const CALLER: [(&str, &str); 2] = [
    ("X-Remote-User", "admin"),
    ("X-Remote-Group", "system:masters"),
];

/// Dropped in this order: logs go with the world.
pub(super) struct Stage {
    /// In the order of [`SPOKES`].
    pub(super) agents: Vec<Agent>,
    pub(super) replicas: Replicas,
    pub(super) world: World,
}

impl Stage {
    /// Starts two gateways with these flags, and an agent of each spoke.
    pub(super) async fn start(args: &[&str]) -> Self {
        Self::start_with(args, |_| ()).await
    }

    /// The same; `ready` is called before there are agents.
    pub(super) async fn start_with(args: &[&str], ready: impl FnOnce(&Replicas)) -> Self {
        let world = World::builder()
            .cluster("hub")
            .bare_cluster("managed1")
            .bare_cluster("managed2");
        let world = world.start().await.unwrap();
        let hub = world.cluster("hub");
        let options = GatewayOptions {
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            ..GatewayOptions::default()
        };
        let replicas = Replicas::start(hub, &options, 2).await.unwrap();
        ready(&replicas);
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
            agents,
            replicas,
            world,
        }
    }

    pub(super) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    /// The status and body of a GET from one gateway directly.
    pub(super) async fn ask(
        &self,
        gateway: &Gateway,
        path: &str,
        accept: &str,
    ) -> Result<(u16, String), String> {
        let client = gateway.client_with(&self.front_proxy());
        let request = request(path).header("Accept", accept);
        let answered = client.send(request.body(Body::empty()).unwrap()).await;
        let response = answered.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = response.into_body().collect_bytes().await;
        let body = body.map_err(|error| error.to_string())?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// The body of a GET from one gateway directly, as a stream.
    pub(super) async fn follow(&self, gateway: &Gateway, path: &str) -> impl AsyncBufRead {
        let client = gateway.client_with(&self.front_proxy());
        let request = request(path).body(Vec::new()).unwrap();
        client.request_stream(request).await.unwrap()
    }

    /// The head of the answer to a GET with these headers from one gateway directly, over HTTP/1.1.
    pub(super) async fn upgrade(
        &self,
        gateway: &Gateway,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (Http1, http::Response<hyper::body::Incoming>) {
        let client = Http1::new(&gateway.url(), &gateway.ca_pem(), &self.front_proxy()).unwrap();
        let headers: Vec<_> = headers.iter().chain(&CALLER).copied().collect();
        let answer = client.get(path, &headers).await.unwrap();
        (client, answer)
    }

    /// A client that is for a gateway what the hub's API server is.
    pub(super) fn front_proxy(&self) -> Credentials {
        Credentials::Certificate(self.hub().front_proxy_client().clone())
    }

    /// Checks that each gateway serves each cluster.
    async fn each_answers(&self) -> Result<(), String> {
        for gateway in self.replicas.each() {
            for spoke in SPOKES {
                let path = format!("{GATEWAYS}/{spoke}/proxy/healthz");
                let (status, body) = self.ask(gateway, &path, "*/*").await?;
                if status != 200 {
                    return Err(format!("{spoke} at port {}: {body}", gateway.port()));
                }
            }
        }
        Ok(())
    }

    /// Waits until each gateway serves each cluster.
    pub(super) async fn answers(&self) {
        let answers = || self.each_answers();
        eventually(
            SPREAD_WITHIN,
            "each gateway answers for each cluster",
            answers,
        )
        .await
        .unwrap();
    }

    pub(super) async fn spreads(&self) {
        let spread = || self.is_spread();
        eventually(SPREAD_WITHIN, "each gateway has each tunnel", spread)
            .await
            .unwrap();
    }

    /// Waits until each gateway has a tunnel of each cluster, so that no pipe goes through another
    /// gateway.
    async fn is_spread(&self) -> Result<(), String> {
        self.each_answers().await?;
        for gateway in self.replicas.each() {
            for spoke in SPOKES {
                let before = self.passed(gateway).await;
                let path = format!("{GATEWAYS}/{spoke}/proxy{DEFAULT_NAMESPACE}");
                let (_client, answer) = self.upgrade(gateway, &path, &WEBSOCKET).await;
                let status = answer.status();
                if status != 101 || self.passed(gateway).await > before {
                    return Err(format!(
                        "{spoke} at port {}: {status}, or by another one",
                        gateway.port()
                    ));
                }
            }
        }
        Ok(())
    }

    /// The number of pipes that a gateway has passed to others.
    pub(super) async fn passed(&self, gateway: &Gateway) -> u64 {
        let metrics = Metrics::of_gateway(gateway).await.unwrap();
        metrics.sum("gateway_pipes_passed_total", &[])
    }

    /// Checks that the hub answers forty times, whichever gateway its connections lead to.
    pub(super) async fn answers_forty_times(&self, spoke: &str) {
        for number in 0..40 {
            // Each call uses a new connection, as another API server of the hub would.
            let client = self.hub().client();
            let path = format!("{GATEWAYS}/{spoke}/proxy/healthz");
            let (status, body) = get(&client, &path).await;
            assert_eq!((status, &*body), (200, "ok"), "{spoke}, request {number}");
        }
    }
}

/// A GET request for calling a gateway directly.
pub(super) fn request(path: &str) -> Builder {
    let mut request = Request::get(path);
    for (name, value) in CALLER {
        request = request.header(name, value);
    }
    request
}
