//! What is measured: a hub with several gateways behind a stand-in for their Service, and one
//! managed cluster under many names. Each name has an agent process with tunnels of its own.

use std::time::Duration;

use anyhow::Context as _;
use e2e::{
    Agent, AgentOptions, Cluster, Credentials, Gateway, GatewayOptions, Replicas, SpokeOptions,
    World, eventually,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;
use tokio::sync::watch;

use super::{Args, journal::Entrance, spread::Spread};
use crate::{
    callers::{
        UNHURRIED, allow_user, at_the_door, at_the_hub, at_the_spoke, create, once, proxy_of, token,
    },
    client::Client,
};

const SPOKE: &str = "managed1";
/// The object that all watches watch.
pub(super) const WATCHED: &str = "watched";
/// The number of clusters that are set up at once.
const AT_ONCE: usize = 4;
const SERVED_WITHIN: Duration = Duration::from_secs(30);
const SPREAD_WITHIN: Duration = Duration::from_mins(1);

/// Everything that runs. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) replicas: Replicas,
    /// The gateways, for the check that tunnels are spread.
    pub(super) spread: Spread,
    doors: watch::Sender<Client>,
    hub: watch::Sender<Client>,
    direct: watch::Sender<Client>,
    names: Vec<String>,
    _agents: Vec<Agent>,
    pub(super) world: World,
}

/// The caller at one entrance. It learns of gateways that are added.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) entrance: Entrance,
    client: watch::Receiver<Client>,
    names: Vec<String>,
}

impl Site {
    pub(super) async fn start(args: &Args) -> anyhow::Result<Self> {
        let world = World::builder().cluster("hub").cluster(SPOKE);
        let world = world.start().await?;
        let (hub, spoke) = (world.cluster("hub"), world.cluster(SPOKE));
        let mut options = GatewayOptions::default();
        options.args.extend(UNHURRIED.map(str::to_owned));
        options.args.extend([
            format!("--shutdown-delay={}", args.shutdown_delay),
            format!("--drain-timeout={}", args.drain_timeout),
        ]);
        let replicas = Replicas::start(hub, &options, args.replicas).await?;
        allow_user(hub).await?;
        let maps = Api::<ConfigMap>::default_namespaced(spoke.client());
        for name in [WATCHED, "bench"] {
            let map = json!({"metadata": {"name": name}, "data": {"event": "0"}});
            create(&maps, map).await?;
        }
        let names: Vec<_> = (0..args.clusters).map(|it| format!("bench-{it}")).collect();
        register(&replicas.each()[0], spoke, &names).await?;
        let attach = stream::iter(&names).map(|name| attached(hub, spoke, name));
        let agents: Vec<_> = attach.buffer_unordered(AT_ONCE).try_collect().await?;
        let site = Self {
            spread: Spread::default(),
            doors: watch::channel(door(hub, &replicas)?).0,
            hub: watch::channel(at_the_hub(hub, SPOKE)?).0,
            direct: watch::channel(at_the_spoke(spoke, &token(spoke).await?)?).0,
            names,
            _agents: agents,
            replicas,
            world,
        };
        site.tell_of_gateways()?;
        site.is_up().await?;
        Ok(site)
    }

    pub(super) fn spoke(&self) -> &Cluster {
        self.world.cluster(SPOKE)
    }

    pub(super) fn caller(&self, entrance: Entrance) -> Caller {
        let (client, names) = match entrance {
            Entrance::Hub => (&self.hub, &self.names[..]),
            Entrance::Door => (&self.doors, &self.names[..]),
            // The direct path has no cluster name.
            Entrance::Direct => (&self.direct, &self.names[..1]),
        };
        Caller {
            entrance,
            client: client.subscribe(),
            names: names.to_vec(),
        }
    }

    /// Tells callers and the check of the spread which gateways there are now.
    pub(super) fn tell_of_gateways(&self) -> anyhow::Result<()> {
        let gateways = self.replicas.each().iter();
        self.spread.of(gateways.map(Gateway::admin_url).collect());
        let client = door(self.world.cluster("hub"), &self.replicas)?;
        self.doors.send_replace(client);
        Ok(())
    }

    /// Waits until each cluster is served at each entrance and has tunnels to each replica.
    async fn is_up(&self) -> anyhow::Result<()> {
        for entrance in [Entrance::Hub, Entrance::Door] {
            let caller = self.caller(entrance);
            for cluster in 0..self.names.len() {
                let client = caller.client_of(cluster);
                let request = client.get("/healthz")?;
                let what = format!("{} at the {entrance}", self.names[cluster]);
                eventually(SERVED_WITHIN, &what, || once(&client, &request)).await?;
            }
        }
        let spread = || async {
            let held = self.spread.look().await;
            if held.at(self.replicas.each().len(), &self.names) {
                Ok(())
            } else {
                Err(format!("{held:?}"))
            }
        };
        eventually(SPREAD_WITHIN, "each cluster has each replica", spread).await?;
        Ok(())
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
}

impl Caller {
    /// The number of clusters.
    pub(super) fn clusters(&self) -> usize {
        self.names.len()
    }

    /// Its client for a cluster.
    pub(super) fn client_of(&self, cluster: usize) -> Client {
        let client = self.client.borrow().clone();
        match self.entrance {
            Entrance::Hub | Entrance::Door => {
                let name = &self.names[cluster % self.names.len()];
                client.below(proxy_of(name))
            }
            Entrance::Direct => client,
        }
    }
}

/// The caller at the Service of all gateways.
fn door(hub: &Cluster, replicas: &Replicas) -> anyhow::Result<Client> {
    let url = format!("https://127.0.0.1:{}", replicas.port());
    at_the_door(&url, &replicas.ca_pem(), hub, SPOKE)
}

async fn register(gateway: &Gateway, spoke: &Cluster, names: &[String]) -> anyhow::Result<()> {
    let (first, others) = names.split_first().context("no clusters")?;
    let tunnelled = |name: &String, credentials| SpokeOptions {
        name: Some(name.clone()),
        tunnelled: true,
        credentials,
        ..SpokeOptions::default()
    };
    // The first one creates the account whose token all others share.
    let own = tunnelled(first, None);
    gateway.register_spoke(spoke, own).await?;
    let shared = Credentials::Token(token(spoke).await?);
    stream::iter(others)
        .map(|name| gateway.register_spoke(spoke, tunnelled(name, Some(shared.clone()))))
        .buffer_unordered(AT_ONCE)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    Ok(())
}

async fn attached(hub: &Cluster, spoke: &Cluster, name: &str) -> anyhow::Result<Agent> {
    let options = AgentOptions {
        identity: Some(name.to_owned()),
        cluster: Some(name.to_owned()),
        ..AgentOptions::default()
    };
    Ok(Agent::attached(hub, spoke, options).await?)
}
