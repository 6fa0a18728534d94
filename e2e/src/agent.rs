//! Our agent as a process beside a spoke. At the hub it has the identity of an OCM add-on agent,
//! and no right but to attach.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Api;
use serde_json::{Value, json};

use crate::{
    binary::{BinaryError, our_program},
    cluster::{Cluster, Credentials, apply},
    gateway::GatewayError,
    host,
    pki::PkiError,
    process::{Process, ProcessError, Spec, readyz::plain},
    world::ends_of_logs,
};

const ADDON: &str = "cluster-proxy";
/// The group of all agents, which have one role together.
const GROUP: &str = "system:open-cluster-management:addon:cluster-proxy";
const ROLE: &str = "spokeway-agent-tunnel";
/// The RBAC manifest that is shipped, which contains the role.
const RIGHTS: &str = include_str!("../../config/agent/rbac-hub.yaml");
const READY_WITHIN: Duration = Duration::from_secs(20);
const STOP_WITHIN: Duration = Duration::from_secs(25);
/// Mounts a file over /etc/hosts for the program that it then executes.
const WITH_HOSTS: &str = r#"mount --bind "$1" /etc/hosts && shift && exec "$@""#;

/// An agent that keeps tunnels from a spoke to its hub's gateway. It is killed when it is dropped.
#[derive(Debug)]
pub struct Agent {
    spoke: Cluster,
    process: Process,
    admin_url: String,
}

/// How to run an agent.
#[derive(Clone, Debug, Default)]
pub struct AgentOptions {
    /// The cluster whose identity it has at the hub, if that differs from the spoke's name.
    pub identity: Option<String>,
    /// The cluster that it claims to be, if that is a lie.
    pub cluster: Option<String>,
    /// Its credential at the hub, if OCM delivered one.
    pub hub_kubeconfig: Option<PathBuf>,
    /// Flags in addition to those that every agent gets.
    pub args: Vec<String>,
    /// The file that it sees as /etc/hosts, if that is not the machine's own. It may be rewritten
    /// while the agent runs.
    pub hosts: Option<PathBuf>,
}

/// Why an agent does not run as requested.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its program could not be built.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// It did not start or did not become ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its files could not be written.
    #[error("cannot lay out the agent's directory")]
    Files(#[from] io::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The hub refused its role.
    #[error(transparent)]
    Role(#[from] GatewayError),
}

impl Agent {
    /// Starts an agent of `spoke` and waits until it is attached to the gateway of `hub`.
    pub async fn attached(
        hub: &Cluster,
        spoke: &Cluster,
        options: AgentOptions,
    ) -> Result<Self, AgentError> {
        let agent = Self::start(hub, spoke, options).await?;
        agent.is_attached().await?;
        Ok(agent)
    }

    /// Starts an agent without waiting for anything.
    pub async fn start(
        hub: &Cluster,
        spoke: &Cluster,
        options: AgentOptions,
    ) -> Result<Self, AgentError> {
        let AgentOptions {
            identity,
            cluster,
            hub_kubeconfig,
            args,
            hosts,
        } = options;
        let program = our_program("agent")?;
        grant(hub).await?;
        let port = host::free_port();
        let name = format!("agent-{port}");
        let directory = spoke.directory().join(&name);
        fs::create_dir(&directory)?;
        let identity = identity.unwrap_or_else(|| spoke.name().to_owned());
        let kubeconfig = if let Some(delivered) = hub_kubeconfig {
            delivered
        } else {
            let credentials = credentials(hub, &identity, &name)?;
            let file = format!("{name}.kubeconfig");
            hub.write_kubeconfig(&file, hub.url(), &hub.ca_pem(), &credentials)?
        };
        let apiserver = spoke.url().trim_start_matches("https://");
        let flags = [
            (
                "--cluster",
                cluster.unwrap_or_else(|| spoke.name().to_owned()),
            ),
            ("--hub-kubeconfig", kubeconfig.display().to_string()),
            ("--apiserver", apiserver.to_owned()),
            ("--admin-bind-address", format!("127.0.0.1:{port}")),
        ];
        let flags = flags
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value]);
        let spec = Spec {
            name: format!("agent of {}", spoke.name()),
            program,
            args: flags.chain(args).collect(),
            env: vec![("RUST_BACKTRACE".to_owned(), "1".to_owned())],
            log: directory.join("agent.log"),
            directory,
        };
        let spec = match hosts {
            Some(hosts) => with_hosts(spec, &hosts),
            None => spec,
        };
        Ok(Self {
            spoke: spoke.clone(),
            process: Process::start(spoke.beside(spec))?,
            admin_url: format!("http://127.0.0.1:{port}"),
        })
    }

    /// Waits until it is attached.
    pub async fn is_attached(&self) -> Result<(), ProcessError> {
        self.spoke.on_its_side(|| self.says_it_is_attached()).await
    }

    async fn says_it_is_attached(&self) -> Result<(), ProcessError> {
        let client = plain(&self.admin_url);
        self.process.says_ready(READY_WITHIN, &client).await
    }

    /// The URL of its health and metrics.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// Its process, for its pid and log, and to pause it.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Asks it to end, as a roll-out would.
    pub async fn stop(&self) -> ExitStatus {
        self.process.stop(STOP_WITHIN).await
    }

    /// Ends it at once, as a node failure would.
    pub fn kill(&self) -> ExitStatus {
        self.process.kill()
    }

    /// Starts it again and waits until it is attached.
    pub async fn restart(&self) -> Result<(), ProcessError> {
        self.process.restart()?;
        self.is_attached().await
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            ends_of_logs([&self.process].into_iter());
        }
    }
}

/// The same program in a mount namespace of its own.
fn with_hosts(spec: Spec, hosts: &Path) -> Spec {
    let unshare = [
        "--mount",
        "--propagation=private",
        "sh",
        "-euc",
        WITH_HOSTS,
        "agent",
    ];
    let program = [hosts, &spec.program].map(|path| path.display().to_string());
    let args = unshare.into_iter().map(str::to_owned).chain(program);
    Spec {
        program: PathBuf::from("unshare"),
        args: args.chain(spec.args).collect(),
        ..spec
    }
}

/// The credentials at the hub of an agent with that name and managed cluster.
pub fn credentials(hub: &Cluster, cluster: &str, name: &str) -> Result<Credentials, PkiError> {
    let user =
        format!("system:open-cluster-management:cluster:{cluster}:addon:{ADDON}:agent:{name}");
    hub.certificate_of(&user, &[GROUP])
}

/// Binds one role to all agents. Each agent's own user name says which cluster it attaches.
async fn grant(hub: &Cluster) -> Result<(), AgentError> {
    let shipped: Vec<Value> = serde_saphyr::from_multiple(RIGHTS).expect("YAML that is shipped");
    let role = shipped
        .into_iter()
        .find(|role| role["metadata"]["name"] == ROLE);
    let role = role.expect("the role is shipped");
    let rbac = "rbac.authorization.k8s.io";
    let binding = json!({
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": ROLE},
        "subjects": [{"apiGroup": rbac, "kind": "Group", "name": GROUP}],
    });
    let refused = |source| GatewayError::Refused {
        object: format!("ClusterRole {ROLE}"),
        source: Box::new(source),
    };
    apply(&Api::<ClusterRole>::all(hub.client()), ROLE, role)
        .await
        .map_err(refused)?;
    apply(&Api::<ClusterRoleBinding>::all(hub.client()), ROLE, binding)
        .await
        .map_err(refused)?;
    Ok(())
}
