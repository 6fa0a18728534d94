//! One hub, one spoke behind a fence, its node and its agent, shared by all tests of this binary.

use std::{path::PathBuf, sync::Arc, time::Duration};

use e2e::{
    Agent, AgentOptions, Cluster, Fence, Gateway, GatewayOptions, Kubectl, SpokeOptions, World,
    eventually,
    node::{IMAGE, obstacle},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const SPOKE: &str = "managed1";
const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";
const SERVED_WITHIN: Duration = Duration::from_secs(20);

/// How kubectl speaks to exec, attach and port-forward.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Spdy,
    WebSocket,
}

pub(crate) const PROTOCOLS: [Protocol; 2] = [Protocol::Spdy, Protocol::WebSocket];

static FENCE: OnceCell<Arc<Fence>> = OnceCell::const_new();
static STAGE: OnceCell<Stage> = OnceCell::const_new();

pub(crate) struct Stage {
    pub(crate) fence: Arc<Fence>,
    pub(crate) world: World,
    /// Held, for both end when dropped.
    _gateway: Gateway,
    _agent: Agent,
    kubeconfig: PathBuf,
}

impl Stage {
    /// With the calling thread on the hub's side; `None`, and a line that says why, where this
    /// machine cannot have it.
    pub(crate) async fn shared() -> Option<&'static Self> {
        if let Some(why) = obstacle() {
            skip(&why);
            return None;
        }
        let fence = FENCE
            .get_or_init(|| async { Fence::new().await.unwrap() })
            .await;
        fence.enter_hub_side().unwrap();
        Some(STAGE.get_or_init(|| Self::start(fence)).await)
    }

    /// Not shared, and gone when dropped.
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
        let hub = world.cluster("hub");
        let gateway = Gateway::start(hub, GatewayOptions::default())
            .await
            .unwrap();
        let tunnelled = SpokeOptions {
            tunnelled: true,
            ..SpokeOptions::default()
        };
        let spoke = world.cluster(SPOKE);
        gateway.register_spoke(spoke, tunnelled).await.unwrap();
        let agent = Agent::attached(hub, spoke, AgentOptions::default())
            .await
            .unwrap();
        let server = format!("{}{GATEWAYS}/{SPOKE}/proxy", hub.url());
        let kubeconfig = hub
            .write_kubeconfig(
                "through-the-hub.kubeconfig",
                &server,
                &hub.ca_pem(),
                hub.admin(),
            )
            .unwrap();
        let stage = Self {
            fence: Arc::clone(fence),
            world,
            _gateway: gateway,
            _agent: agent,
            kubeconfig,
        };
        let reached = || async { stage.kubectl(&["get", "--raw", "/readyz"]).ok().await };
        eventually(SERVED_WITHIN, "the spoke through the tunnel", reached)
            .await
            .unwrap();
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
        self.hub().kubectl_with(&self.kubeconfig, args)
    }

    /// The same, held to one of the two.
    pub(crate) fn kubectl_over(&self, protocol: Protocol, args: &[&str]) -> Kubectl {
        let websockets = match protocol {
            Protocol::Spdy => "false",
            Protocol::WebSocket => "true",
        };
        self.kubectl(args)
            .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", websockets)
            .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets)
    }

    /// Starts a pod with one container that runs `command`, and waits until it is ready.
    pub(crate) async fn pod(&self, name: &str, command: &[&str]) {
        self.apply(&pod(name, command)).await;
        let pod = format!("pod/{name}");
        self.kubectl(&["wait", "--for=condition=Ready", "--timeout=25s", &pod])
            .ok()
            .await
            .unwrap();
    }

    pub(crate) async fn apply(&self, object: &Value) {
        self.kubectl(&["apply", "-f", "-"])
            .stdin(object.to_string())
            .ok()
            .await
            .unwrap();
    }
}

/// A pod of ours; nothing in it needs a token.
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

/// Past the capture of test output, for a test that was not run must not look like one that was.
pub(crate) fn skip(why: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "skipped: no node on this machine: {why}");
}
