//! The Go stack that benchmarks compare ours with: cluster-gateway over konnectivity, as processes
//! on loopback, registered at a hub of its own.
//!
//! The Go gateway dials a managed cluster as `<its name>:443`, which is resolved where the agent
//! is. So the name of the cluster is the loopback address where its API server listens at port 443.
//! Then nothing must be resolved, and there is no hop in between; see [`spoke_address`].

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{Api, Client};
use serde_json::json;

use crate::{
    cluster::{Cluster, Credentials, client, create_if_absent, write_identity},
    gateway::{GatewayError, NAMESPACE, SERVICE, admin_token, registration},
    host,
    pki::{Authority, PkiError},
    process::{Process, ProcessError, Spec, readyz::plain},
    programs::{EnsureError, GO_STACK, Programs},
    world::ends_of_logs,
};

mod flags;

use flags::Ports;

const READY_WITHIN: Duration = Duration::from_secs(30);
/// The namespace where the Go gateway reads the managed clusters' Secrets.
pub const SECRETS: &str = "cluster-gateway-secrets";

/// A running Go stack. It is killed when it is dropped.
#[derive(Debug)]
pub struct GoStack {
    hub: Cluster,
    ports: Ports,
    name: String,
    authority: Authority,
    gateway: Process,
    server: Process,
    agent: Process,
}

/// Why the Go stack could not be started.
#[derive(Debug, thiserror::Error)]
pub enum GoStackError {
    /// A program is missing and could not be built.
    #[error(transparent)]
    Programs(#[from] EnsureError),
    /// Its files could not be written.
    #[error("cannot lay out the Go stack's directory")]
    Files(#[from] io::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A process did not start or did not become ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The hub refused an object, or did not find the gateway available.
    #[error(transparent)]
    Hub(#[from] GatewayError),
    /// The spoke's address is not one that the Go gateway dials.
    #[error("{0} is not https://<IPv4 address>:443, the only port that the Go gateway dials")]
    Unreachable(String),
}

/// A free loopback address for the spoke's API server, with the port that the Go gateway dials.
/// That port needs root, or `net.ipv4.ip_unprivileged_port_start` of at most 443.
pub fn spoke_address() -> io::Result<SocketAddrV4> {
    host::free_address(443)
}

impl GoStack {
    /// Starts the stack with one managed cluster as an aggregated API of `hub`.
    pub async fn start(hub: &Cluster, spoke: &Cluster) -> Result<Self, GoStackError> {
        let host = dialled(spoke.url())?;
        let programs = Programs::ensure(GO_STACK)?;
        let ports = free_ports();
        let directory = hub.directory().join("go-stack");
        fs::create_dir(&directory)?;
        let authority = write_pki(&directory)?;
        write_secret(hub, spoke, &host.to_string()).await?;
        let start = |program: &str, args| {
            Process::start(Spec {
                name: program.to_owned(),
                program: programs.path(program).to_owned(),
                args,
                env: Vec::new(),
                directory: directory.clone(),
                log: log(&directory, program),
            })
        };
        let kubeconfig = hub.kubeconfig_path();
        let gateway = flags::gateway(&directory, &ports, &kubeconfig, SECRETS);
        let stack = Self {
            hub: hub.clone(),
            name: host.to_string(),
            authority,
            server: start("proxy-server", flags::proxy_server(&directory, &ports))?,
            agent: start("proxy-agent", flags::proxy_agent(&directory, &ports, host))?,
            gateway: start("cluster-gateway", gateway)?,
            ports,
        };
        stack.serves().await?;
        Ok(stack)
    }

    /// Restarts all of it, even if it was killed, and waits until it serves.
    pub async fn restart(&self) -> Result<(), GoStackError> {
        self.kill();
        for process in self.processes() {
            process.restart()?;
        }
        self.serves().await
    }

    /// Kills all of it.
    pub fn kill(&self) {
        for process in self.processes() {
            process.kill();
        }
    }

    /// The gateway's own URL, which does not lead through the hub.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.gateway)
    }

    /// The CA of its serving certificate, PEM.
    pub fn ca_pem(&self) -> String {
        self.authority.certificate()
    }

    /// The hub whose aggregated API it is.
    pub fn hub(&self) -> &Cluster {
        &self.hub
    }

    /// The managed cluster's name.
    pub fn cluster(&self) -> &str {
        &self.name
    }

    /// The gateway.
    pub fn gateway(&self) -> &Process {
        &self.gateway
    }

    /// konnectivity's end on the hub.
    pub fn server(&self) -> &Process {
        &self.server
    }

    /// konnectivity's end beside the spoke.
    pub fn agent(&self) -> &Process {
        &self.agent
    }

    /// Waits until the agent is connected.
    pub async fn is_attached(&self) -> Result<(), ProcessError> {
        let client = loopback(self.ports.agent_health);
        self.agent.says_ready(READY_WITHIN, &client).await
    }

    fn processes(&self) -> [&Process; 3] {
        [&self.server, &self.agent, &self.gateway]
    }

    async fn serves(&self) -> Result<(), GoStackError> {
        self.is_attached().await?;
        let health = loopback(self.ports.server_health);
        self.server.says_ready(READY_WITHIN, &health).await?;
        let door = client(&self.url(), &self.ca_pem(), &Credentials::Anonymous);
        self.gateway.says_ready(READY_WITHIN, &door).await?;
        let port = self.ports.gateway;
        registration::register(&self.hub, port, &self.ca_pem(), &self.gateway).await?;
        Ok(())
    }
}

impl Drop for GoStack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            ends_of_logs(self.processes().into_iter());
        }
    }
}

fn dialled(url: &str) -> Result<Ipv4Addr, GoStackError> {
    let address = url.strip_prefix("https://").and_then(|it| it.parse().ok());
    match address {
        Some(address) if SocketAddrV4::port(&address) == 443 => Ok(*address.ip()),
        _ => Err(GoStackError::Unreachable(url.to_owned())),
    }
}

fn free_ports() -> Ports {
    Ports {
        gateway: host::free_port(),
        frontend: host::free_port(),
        agents: host::free_port(),
        server_health: host::free_port(),
        server_admin: host::free_port(),
        agent_health: host::free_port(),
        agent_admin: host::free_port(),
    }
}

/// One CA for every connection among the three. It also signs the certificate that the hub sees.
fn write_pki(directory: &Path) -> Result<Authority, GoStackError> {
    let authority = Authority::new("go-stack-ca")?;
    fs::write(directory.join("ca.crt"), authority.certificate())?;
    let service = format!("{SERVICE}.{NAMESPACE}.svc");
    let server = authority.issue_server(&["localhost", "127.0.0.1", &service])?;
    write_identity(directory, "server", &server)?;
    for name in ["agent", "gateway"] {
        write_identity(directory, name, &authority.issue_client(name, &[])?)?;
    }
    Ok(authority)
}

async fn write_secret(hub: &Cluster, spoke: &Cluster, name: &str) -> Result<(), GoStackError> {
    let namespaces = Api::<Namespace>::all(hub.client());
    for namespace in [NAMESPACE, SECRETS] {
        let created = create_if_absent(&namespaces, namespace).await;
        created.map_err(registration::refused(format!("Namespace {namespace}")))?;
    }
    let Credentials::Token(token) = admin_token(spoke).await? else {
        unreachable!("a service account's credentials are a token");
    };
    let labels = json!({
        "cluster.core.oam.dev/cluster-credential-type": "ServiceAccountToken",
        "cluster.core.oam.dev/cluster-endpoint-type": "ClusterProxy",
    });
    let data = json!({"token": STANDARD.encode(token)});
    let secrets = Api::<Secret>::namespaced(hub.client(), SECRETS);
    let secret = json!({"metadata": {"labels": labels}, "data": data});
    Ok(registration::put(&secrets, name, secret).await?)
}

fn loopback(port: u16) -> Client {
    plain(&format!("http://127.0.0.1:{port}"))
}

fn log(directory: &Path, program: &str) -> PathBuf {
    directory.join(format!("{program}.log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_port_443_is_dialled() {
        assert_eq!(
            dialled("https://127.8.9.10:443").unwrap(),
            Ipv4Addr::new(127, 8, 9, 10)
        );
        for url in [
            "https://127.0.0.1:6443",
            "https://spoke:443",
            "127.0.0.1:443",
        ] {
            assert!(dialled(url).is_err(), "{url}");
        }
    }
}
