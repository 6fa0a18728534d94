//! What is measured: two hubs that share one spoke, ours with our gateway and agent, the other with
//! the Go stack, and every way to the spoke.

use anyhow::Context as _;
use e2e::{
    Agent, AgentOptions, Cluster, Gateway, GatewayOptions, GoStack, Process, SpokeOptions,
    TunnelPort, World, go_stack,
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use serde_json::json;

use crate::{
    callers::{all_answered, allow_user, at_the_door, at_the_hub, at_the_spoke, create, token},
    client::Client,
    way::{Path, Role, Upstream, Way},
};

const SPOKE: &str = "managed1";
/// The same cluster once more, for the agent that comes by mutual TLS.
const BY_PORT: &str = "managed1-port";
const AGENT: &str =
    "system:open-cluster-management:cluster:managed1-port:addon:cluster-proxy:agent:bench";
const BULK: &str = "bulk";
/// Bytes of one object of the download; an API server takes little more in one.
const OBJECT: usize = 1_000_000;

/// Everything that runs; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) gateway: Gateway,
    agent: Agent,
    by_port: Agent,
    /// Nothing where it is left out.
    go: Option<GoStack>,
    /// The token by which the spoke is called directly.
    token: String,
    pub(crate) world: World,
}

impl Site {
    pub(crate) async fn start(with_go_stack: bool) -> anyhow::Result<Self> {
        let address = go_stack::spoke_address();
        let address = address.context("the Go gateway dials port 443 only, which takes root")?;
        let clusters = World::builder().cluster("hub").cluster("hub-go");
        let world = clusters.cluster_at(SPOKE, address).start().await?;
        let (hub, spoke) = (world.cluster("hub"), world.cluster(SPOKE));
        let port = TunnelPort::new(world.directory(), "localhost")?;
        let options = GatewayOptions {
            args: port.of_gateway().into(),
            ..GatewayOptions::default()
        };
        let gateway = Gateway::start(hub, options).await?;
        for name in [SPOKE, BY_PORT] {
            let tunnelled = SpokeOptions {
                name: Some(name.to_owned()),
                tunnelled: true,
                ..SpokeOptions::default()
            };
            gateway.register_spoke(spoke, tunnelled).await?;
        }
        let agent = Agent::attached(hub, spoke, AgentOptions::default()).await?;
        let identity = port.authority().issue_client(AGENT, &[])?;
        let options = AgentOptions {
            cluster: Some(BY_PORT.to_owned()),
            args: port.of_agent(&gateway, BY_PORT, &identity)?.into(),
            ..AgentOptions::default()
        };
        let by_port = Agent::attached(hub, spoke, options).await?;
        let go_hub = world.cluster("hub-go");
        let go = if with_go_stack {
            Some(GoStack::start(go_hub, spoke).await?)
        } else {
            None
        };
        for hub in [hub, go_hub] {
            allow_user(hub).await?;
        }
        let map = json!({"metadata": {"name": "bench"}, "data": {"key": "value"}});
        create(&Api::<ConfigMap>::default_namespaced(spoke.client()), map).await?;
        let site = Self {
            token: token(spoke).await?,
            gateway,
            agent,
            by_port,
            go,
            world,
        };
        all_answered(&site.ways()?).await?;
        Ok(site)
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    pub(crate) fn spoke(&self) -> &Cluster {
        self.world.cluster(SPOKE)
    }

    /// Fills the spoke with objects that are `megabytes` together, and says how to ask for them.
    pub(crate) async fn fill(&self, megabytes: u32) -> anyhow::Result<String> {
        let client = self.spoke().client();
        let namespace = json!({"metadata": {"name": BULK}});
        create(&Api::<Namespace>::all(client.clone()), namespace).await?;
        let objects = Api::<ConfigMap>::namespaced(client, BULK);
        let data = "x".repeat(OBJECT);
        for number in 0..megabytes {
            let name = format!("{BULK}-{number}");
            let object = json!({"metadata": {"name": name}, "data": {"bulk": data}});
            create(&objects, object).await?;
        }
        // From the API server's memory, as informers list.
        Ok(format!(
            "/api/v1/namespaces/{BULK}/configmaps?resourceVersion=0"
        ))
    }

    /// Every way there is.
    pub(crate) fn ways(&self) -> anyhow::Result<Vec<Way<'_>>> {
        let (hub, spoke, gateway) = (self.hub(), self.spoke(), &self.gateway);
        let direct = vec![(Role::Upstream, spoke.apiserver())];
        let mut ways = vec![way(Path::Direct, at_the_spoke(spoke, &self.token)?, direct)];
        for (name, agent, at_door, through_hub) in [
            (SPOKE, &self.agent, Path::Door, Path::Hub),
            (BY_PORT, &self.by_port, Path::DoorPort, Path::HubPort),
        ] {
            // The first one's tunnel goes through the hub's API server, whoever calls.
            let ours = vec![
                (Role::Gateway, gateway.process()),
                (Role::Agent, agent.process()),
                (Role::Hub, hub.apiserver()),
                (Role::Upstream, spoke.apiserver()),
            ];
            let door = at_the_door(&gateway.url(), &gateway.ca_pem(), hub, name)?;
            ways.push(way(at_door, door, ours.clone()));
            ways.push(way(through_hub, at_the_hub(hub, name)?, ours));
        }
        if let Some(go) = &self.go {
            let processes = vec![
                (Role::Gateway, go.gateway()),
                (Role::Server, go.server()),
                (Role::Agent, go.agent()),
                (Role::Hub, go.hub().apiserver()),
                (Role::Upstream, spoke.apiserver()),
            ];
            let door = at_the_door(&go.url(), &go.ca_pem(), go.hub(), go.cluster())?;
            let through_hub = at_the_hub(go.hub(), go.cluster())?;
            ways.push(way(Path::GoDoor, door, processes.clone()));
            ways.push(way(Path::GoHub, through_hub, processes));
        }
        Ok(ways)
    }

    /// Starts all of the stack on that path anew.
    pub(crate) async fn restart(&self, path: Path) -> anyhow::Result<()> {
        match path {
            Path::Direct => return Ok(()),
            Path::Door | Path::Hub | Path::DoorPort | Path::HubPort => {
                self.gateway.restart().await?;
                self.agent.restart().await?;
                self.by_port.restart().await?;
            }
            Path::GoDoor | Path::GoHub => {
                let go = self.go.as_ref().context("the Go stack was left out")?;
                go.restart().await?;
            }
        }
        all_answered(&self.ways()?).await
    }
}

fn way(path: Path, client: Client, processes: Vec<(Role, &Process)>) -> Way<'_> {
    Way {
        upstream: Upstream::Spoke,
        path,
        client,
        processes,
    }
}
