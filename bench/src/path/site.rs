//! What is measured: two hubs that share one spoke, and every way to the spoke. One hub has our
//! gateway and agent, and a replica that has no tunnel; the other one has the Go stack.

use anyhow::Context as _;
use e2e::{
    Agent, AgentOptions, Cluster, Gateway, GatewayOptions, GoStack, PeerFiles, Process,
    SpokeOptions, TunnelPort, World, free_port, go_stack,
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api;
use serde_json::json;

use crate::{
    callers::{
        UNHURRIED, all_answered, allow_user, at_the_door, at_the_hub, at_the_spoke, create, token,
    },
    client::Client,
    way::{Path, Role, Upstream, Way},
};

const SPOKE: &str = "managed1";
/// The same cluster once more, for the agent that attaches by mutual TLS.
const BY_PORT: &str = "managed1-port";
const AGENT: &str =
    "system:open-cluster-management:cluster:managed1-port:addon:cluster-proxy:agent:bench";
const BULK: &str = "bulk";
/// The bytes of one object of the download. An API server accepts little more in one object.
const OBJECT: usize = 1_000_000;

/// Everything that runs. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) gateway: Gateway,
    /// The replica that passes all bytes to the other one, because no agent knows of it.
    passing: Gateway,
    agent: Agent,
    by_port: Agent,
    /// `None` if it is left out.
    go: Option<GoStack>,
    /// The token for direct calls to the spoke.
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
        let (gateway, passing) = gateways(hub, &port).await?;
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
            passing,
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

    /// Fills the spoke with objects of `megabytes` in all. Returns the path that lists them.
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
        // Served from the API server's memory, as for informers.
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
            // The tunnel of the first one always goes through the hub's API server.
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
        let passing = at_the_door(&self.passing.url(), &self.passing.ca_pem(), hub, SPOKE)?;
        let processes = vec![
            (Role::Gateway, gateway.process()),
            (Role::Passing, self.passing.process()),
            (Role::Agent, self.agent.process()),
            (Role::Hub, hub.apiserver()),
            (Role::Upstream, spoke.apiserver()),
        ];
        ways.push(way(Path::Passed, passing, processes));
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

    /// Restarts the whole stack on that path.
    pub(crate) async fn restart(&self, path: Path) -> anyhow::Result<()> {
        match path {
            Path::Direct => return Ok(()),
            Path::Door | Path::Hub | Path::DoorPort | Path::HubPort | Path::Passed => {
                self.gateway.restart().await?;
                self.passing.restart().await?;
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

/// The gateway of a hub, and a replica of it that the hub does not know. The first one looks for no
/// other, so agents look for none either.
async fn gateways(hub: &Cluster, port: &TunnelPort) -> anyhow::Result<(Gateway, Gateway)> {
    let peers = PeerFiles::write(hub)?;
    let (first, second) = (free_port(), free_port());
    let options = |mut args: Vec<String>| {
        args.extend(UNHURRIED.map(str::to_owned));
        GatewayOptions {
            args,
            ..GatewayOptions::default()
        }
    };
    let args = peers.args(first, &[first]).into_iter();
    let gateway = Gateway::start(hub, options(args.chain(port.of_gateway()).collect()));
    let unknown = GatewayOptions {
        registered_by_operator: true,
        ..options(peers.args(second, &[first]))
    };
    let passing = Gateway::unregistered(hub, unknown);
    Ok((gateway.await?, passing.await?))
}

fn way(path: Path, client: Client, processes: Vec<(Role, &Process)>) -> Way<'_> {
    Way {
        upstream: Upstream::Spoke,
        path,
        client,
        processes,
    }
}
