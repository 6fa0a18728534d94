//! One hub, one spoke behind a fence, its node and its agent, shared by all tests of this binary.

use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use e2e::{
    Agent, AgentOptions, Cluster, Fence, Gateway, GatewayOptions, Kubectl, SpokeOptions,
    TunnelPort, World, eventually,
    fence::HUB_ADDRESS,
    node::{IMAGE, obstacle},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) const SPOKE: &str = "managed1";
/// The same cluster once more, for the agent that attaches at the other entrance.
pub(crate) const BY_MTLS: &str = "managed1-by-mtls";
const AGENT: &str =
    "system:open-cluster-management:cluster:managed1-by-mtls:addon:cluster-proxy:agent:e2e";
pub(crate) const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";
/// The services that the gateway exposes, and those of them that the agents expose, too.
const LISTED: &str = "--expose=default/front:8080,default/back:8080";
const SERVED: &str = "--expose=default/front:8080";
const TAIL: usize = 20;
const SERVED_WITHIN: Duration = Duration::from_secs(20);

/// How a byte stream gets to a pod: the protocol of kubectl, and the entrance of the agent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way(pub(crate) Protocol, pub(crate) Entrance);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Spdy,
    WebSocket,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Entrance {
    HubApi,
    Mtls,
}

pub(crate) const WAYS: [Way; 4] = [
    Way(Protocol::Spdy, Entrance::HubApi),
    Way(Protocol::WebSocket, Entrance::HubApi),
    Way(Protocol::Spdy, Entrance::Mtls),
    Way(Protocol::WebSocket, Entrance::Mtls),
];

/// How long kubectl may wait for a pod, which many tests start at a time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(70);

static FENCE: OnceCell<Arc<Fence>> = OnceCell::const_new();
static STAGE: OnceCell<Stage> = OnceCell::const_new();

pub(crate) struct Stage {
    pub(crate) fence: Arc<Fence>,
    pub(crate) world: World,
    gateway: Gateway,
    agents: [Agent; 2],
    hosts: PathBuf,
    by_hub_api: PathBuf,
    by_mtls: PathBuf,
}

/// A test's guard on the shared stage. It prints the ends of the logs if the test panics.
pub(crate) struct Shared(&'static Stage);

impl Stage {
    /// The shared stage, with the calling thread moved to the hub's side. If this machine cannot
    /// run it, prints why and returns `None`.
    pub(crate) async fn shared() -> Option<Shared> {
        if let Some(why) = obstacle() {
            skip(&why);
            return None;
        }
        let fence = FENCE
            .get_or_init(|| async { Fence::new().await.unwrap() })
            .await;
        fence.enter_hub_side().unwrap();
        Some(Shared(STAGE.get_or_init(|| Self::start(fence)).await))
    }

    /// A stage that is not shared and is removed when it is dropped.
    pub(crate) async fn of_its_own() -> Self {
        let fence = Fence::new().await.unwrap();
        fence.enter_hub_side().unwrap();
        Self::start(&fence).await
    }

    async fn start(fence: &Arc<Fence>) -> Self {
        let world = World::builder()
            .cluster_at("hub", fence.hub_address())
            .cluster_with_node(SPOKE, fence)
            .start()
            .await
            .unwrap();
        let hosts = world.directory().join("hosts");
        fs::write(&hosts, "").unwrap();
        let (gateway, agents) = tunnels(&world, &hosts).await;
        let stage = Self {
            fence: Arc::clone(fence),
            by_hub_api: kubeconfig(&world, SPOKE),
            by_mtls: kubeconfig(&world, BY_MTLS),
            hosts,
            world,
            gateway,
            agents,
        };
        for way in WAYS {
            let reached = || async {
                let get = stage.kubectl_by(way, &["get", "--raw", "/readyz"]);
                get.ok().await
            };
            eventually(SERVED_WITHIN, "the spoke through the tunnel", reached)
                .await
                .unwrap();
        }
        stage
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    pub(crate) fn spoke(&self) -> &Cluster {
        self.world.cluster(SPOKE)
    }

    /// kubectl of the hub's admin, on the spoke.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Kubectl {
        self.hub().kubectl_with(&self.by_hub_api, args)
    }

    /// The same, restricted to one way.
    pub(crate) fn kubectl_by(&self, Way(protocol, entrance): Way, args: &[&str]) -> Kubectl {
        let websockets = match protocol {
            Protocol::Spdy => "false",
            Protocol::WebSocket => "true",
        };
        let kubeconfig = match entrance {
            Entrance::HubApi => &self.by_hub_api,
            Entrance::Mtls => &self.by_mtls,
        };
        self.hub()
            .kubectl_with(kubeconfig, args)
            .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets)
            .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets)
    }

    /// Starts a pod with one container that runs `command`, and waits until it is ready.
    pub(crate) async fn pod(&self, name: &str, command: &[&str]) {
        self.run(&pod(name, command)).await;
    }

    /// Starts a pod and waits until it is ready.
    pub(crate) async fn run(&self, pod: &Value) {
        self.apply(pod).await;
        let name = pod["metadata"]["name"].as_str().unwrap();
        let pod = format!("pod/{name}");
        self.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", &pod])
            .timeout(PATIENCE)
            .ok()
            .await
            .unwrap();
    }

    /// Lets the agents resolve these names to these addresses, as a spoke's own DNS would.
    pub(crate) fn resolve(&self, names: &[(&str, &str)]) {
        let lines = names
            .iter()
            .map(|(name, ip)| format!("{ip} {name}.cluster.local.\n"));
        fs::write(&self.hosts, lines.collect::<String>()).unwrap();
    }

    pub(crate) async fn apply(&self, object: &Value) {
        self.kubectl(&["apply", "-f", "-"])
            .stdin(object.to_string())
            .ok()
            .await
            .unwrap();
    }
}

impl Deref for Shared {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let agents = self.agents.iter().map(Agent::process);
            let ours = [self.gateway.process()].into_iter().chain(agents);
            for process in ours.chain(self.world.processes()) {
                println!("--- {}:\n{}", process.name(), process.tail(TAIL));
            }
        }
    }
}

/// The domain of the names that agents resolve, whatever that of this machine is.
fn domain() -> [String; 1] {
    ["--cluster-domain=cluster.local".to_owned()]
}

/// Starts a gateway, and an agent of the spoke at each entrance.
async fn tunnels(world: &World, hosts: &Path) -> (Gateway, [Agent; 2]) {
    let (hub, spoke) = (world.cluster("hub"), world.cluster(SPOKE));
    let port = TunnelPort::new(world.directory(), HUB_ADDRESS).unwrap();
    let listed = [LISTED.to_owned()].into_iter();
    let options = GatewayOptions {
        address: HUB_ADDRESS.parse().ok(),
        args: listed.chain(port.of_gateway()).collect(),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(hub, options).await.unwrap();
    for name in [SPOKE, BY_MTLS] {
        let options = SpokeOptions {
            name: Some(name.to_owned()),
            tunnelled: true,
            ..SpokeOptions::default()
        };
        gateway.register_spoke(spoke, options).await.unwrap();
    }
    let identity = port.authority().issue_client(AGENT, &[]).unwrap();
    let by_certificate = port.of_agent(&gateway, BY_MTLS, &identity).unwrap();
    let served = [SERVED.to_owned()].into_iter();
    let by_mtls = AgentOptions {
        cluster: Some(BY_MTLS.to_owned()),
        args: served.chain(domain()).chain(by_certificate).collect(),
        hosts: Some(hosts.to_owned()),
        ..AgentOptions::default()
    };
    let by_hub_api = AgentOptions {
        args: [SERVED.to_owned()].into_iter().chain(domain()).collect(),
        hosts: Some(hosts.to_owned()),
        ..AgentOptions::default()
    };
    let by_hub_api = Agent::attached(hub, spoke, by_hub_api);
    let by_hub_api = by_hub_api.await.unwrap();
    let by_mtls = Agent::attached(hub, spoke, by_mtls).await.unwrap();
    (gateway, [by_hub_api, by_mtls])
}

/// A kubeconfig of the hub's admin for a cluster, through the gateway.
fn kubeconfig(world: &World, name: &str) -> PathBuf {
    let hub = world.cluster("hub");
    let server = format!("{}{GATEWAYS}/{name}/proxy", hub.url());
    let file = format!("{name}.kubeconfig");
    hub.write_kubeconfig(&file, &server, &hub.ca_pem(), hub.admin())
        .unwrap()
}

/// A pod. Nothing in it needs a token.
pub(crate) fn pod(name: &str, command: &[&str]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "main", "image": IMAGE, "imagePullPolicy": "Never", "args": command,
                "stdin": true,
            }],
        },
    })
}

/// Prints in spite of the capture of test output, because a test that was not run must not look
/// like one that passed.
pub(crate) fn skip(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "skipped: no node on this machine: {why}");
}
