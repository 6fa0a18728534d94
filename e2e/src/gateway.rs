//! Our gateway-server as a process, registered at a hub as in production. It has an identity with
//! no more rights than it needs, a Service, an `APIService`, and a Secret per spoke.

use std::{fs, io, net::Ipv4Addr, path::Path, process::ExitStatus, time::Duration};

use kube::Client;
use tokio::sync::OnceCell;

use crate::{
    Elapsed,
    binary::{BinaryError, our_program},
    cluster::{Cluster, Credentials, TokenError, client, write_identity},
    eventually::chain,
    host,
    pki::{Authority, PkiError},
    process::{Process, ProcessError, Spec},
    world::{LogWatch, SharedWorld, World, ends_of_logs},
};

mod balancer;
mod peers;
pub(crate) mod registration;
mod replicas;
mod spokes;

pub use balancer::Balancer;
pub use peers::PeerFiles;
pub use replicas::Replicas;
pub use spokes::SpokeOptions;
pub(crate) use spokes::admin_token;

/// The gateway's user name at its hub.
pub const USER: &str = "spokeway-gateway";
/// The namespace of its Service.
pub const NAMESPACE: &str = "spokeway-system";
pub(crate) const SERVICE: &str = "gateway";
/// The flag that lets managed clusters name addresses on loopback, where those of the harness are.
pub const ON_LOOPBACK: &str = "--egress-address=127.0.0.0/8";
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long to wait for its end. This is longer than its drain lasts by default.
const STOP_WITHIN: Duration = Duration::from_secs(30);

static SHARED: OnceCell<Gateway> = OnceCell::const_new();

/// A gateway-server that serves `cluster.core.oam.dev` for one hub. It is killed when it is
/// dropped.
#[derive(Debug)]
pub struct Gateway {
    hub: Cluster,
    options: GatewayOptions,
    port: u16,
    admin_port: u16,
    authority: Authority,
    process: Process,
}

/// How to run a gateway.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// The namespace of the spokes' Secrets.
    pub secret_namespace: String,
    /// The address where it can be reached, if that is not loopback.
    pub address: Option<Ipv4Addr>,
    /// Flags in addition to those that every gateway gets.
    pub args: Vec<String>,
    /// Variables of its environment, such as `RUST_LOG`.
    pub env: Vec<(String, String)>,
    /// Whether an operator, and not the harness, registers it at the hub.
    pub registered_by_operator: bool,
}

/// A test's guard on the shared gateway and World. It prints their logs if the test panics.
#[derive(Debug)]
pub struct SharedGateway {
    /// The World that the gateway runs in.
    pub world: SharedWorld,
    gateway: &'static Gateway,
    _logs: LogWatch,
}

/// Why a gateway does not run as requested.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Its program could not be built.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// It did not start or did not become ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its files could not be written.
    #[error("cannot lay out the gateway's directory")]
    Files(#[from] io::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A cluster refused an object that it needs.
    #[error("the cluster refused {object}")]
    Refused {
        /// Kind and name.
        object: String,
        /// What the cluster said.
        source: Box<kube::Error>,
    },
    /// There is no token for it on a spoke.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A spoke's Secret was written, but the hub does not serve the spoke.
    #[error(transparent)]
    NotServed(#[from] Elapsed),
}

impl Default for GatewayOptions {
    fn default() -> Self {
        let secret_namespace = "spokeway-credentials".to_owned();
        let env = vec![("RUST_BACKTRACE".to_owned(), "1".to_owned())];
        Self {
            secret_namespace,
            address: None,
            args: Vec::new(),
            env,
            registered_by_operator: false,
        }
    }
}

impl GatewayOptions {
    /// A gateway for an operator to register, with credentials of `ManagedServiceAccount`s.
    pub fn for_operator() -> Self {
        Self {
            args: vec![
                "--managed-service-account=cluster-gateway".to_owned(),
                ON_LOOPBACK.to_owned(),
            ],
            registered_by_operator: true,
            ..Self::default()
        }
    }
}

impl Gateway {
    /// Starts a gateway for `hub`, and waits until the hub's API server reports it as available.
    pub async fn start(hub: &Cluster, options: GatewayOptions) -> Result<Self, GatewayError> {
        let gateway = Self::unregistered(hub, options).await?;
        if gateway.options.registered_by_operator {
            registration::serve(hub, gateway.port).await?;
        } else {
            gateway.register().await?;
        }
        Ok(gateway)
    }

    /// Starts a gateway for `hub` that the hub's API server does not know.
    pub async fn unregistered(
        hub: &Cluster,
        options: GatewayOptions,
    ) -> Result<Self, GatewayError> {
        let program = our_program("gateway-server")?;
        registration::grant(hub, &options.secret_namespace).await?;
        registration::grant_shipped(hub).await?;
        let (port, admin_port) = (host::free_port(), host::free_port());
        let directory = hub.directory().join(format!("gateway-{port}"));
        fs::create_dir(&directory)?;
        let authority = Authority::new("gateway-ca")?;
        let service = format!("{SERVICE}.{NAMESPACE}.svc");
        let address = options.address.unwrap_or(Ipv4Addr::LOCALHOST).to_string();
        let sans = ["localhost", "127.0.0.1", &service, &address];
        let serving = authority.issue_server(&sans)?;
        write_identity(&directory, "serving", &serving)?;
        let identity = hub.certificate_of(USER, &[])?;
        let file = format!("gateway-{port}/hub.kubeconfig");
        hub.write_kubeconfig(&file, hub.url(), &hub.ca_pem(), &identity)?;
        let process = Process::start(Spec {
            name: format!("gateway-server of {}", hub.name()),
            program,
            args: args(&options, &directory, port, admin_port),
            env: options.env.clone(),
            log: directory.join("gateway-server.log"),
            directory,
        })?;
        let gateway = Self {
            hub: hub.clone(),
            options,
            port,
            admin_port,
            authority,
            process,
        };
        gateway.serves().await?;
        Ok(gateway)
    }

    /// The gateway that all tests of this process share, on the hub of [`World::shared`], with
    /// `managed1` registered. Its host trusts the authority of `managed1`, as if that were a public one.
    ///
    /// # Panics
    /// If it does not come up, with the full report.
    pub async fn shared() -> SharedGateway {
        let world = World::shared().await;
        let start = || async {
            let spoke = world.cluster("managed1");
            let trusted = world.directory().join("trusted-by-the-host.pem");
            fs::write(&trusted, spoke.ca_pem())?;
            let mut options = GatewayOptions::default();
            let trusted = trusted.display().to_string();
            options.env.push(("SSL_CERT_FILE".to_owned(), trusted));
            let gateway = Self::start(world.cluster("hub"), options).await?;
            gateway
                .register_spoke(spoke, SpokeOptions::default())
                .await?;
            Ok::<_, GatewayError>(gateway)
        };
        let gateway = match SHARED.get_or_try_init(start).await {
            Ok(gateway) => gateway,
            Err(error) => panic!("no shared gateway: {}", chain(&error)),
        };
        SharedGateway {
            world,
            gateway,
            _logs: LogWatch::new([&gateway.process].into_iter()),
        }
    }

    /// The port that it serves its API on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its own URL, which does not lead through the hub.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The URL where it serves `/metrics` over plain HTTP.
    pub fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin_port)
    }

    /// The CA of its serving certificate, PEM.
    pub fn ca_pem(&self) -> String {
        self.authority.certificate()
    }

    /// That CA, to issue further certificates.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Its directory in the World, with its serving pair in `serving.crt` and `serving.key`.
    pub fn directory(&self) -> &Path {
        let log = self.process.log();
        log.parent().expect("the log is in the directory")
    }

    /// A client that calls it directly and not through the hub.
    pub fn client_with(&self, credentials: &Credentials) -> Client {
        client(&self.url(), &self.ca_pem(), credentials)
    }

    /// Its hub.
    pub fn hub(&self) -> &Cluster {
        &self.hub
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

    /// Starts it again at the same address, and waits until it serves. If it is registered, also
    /// waits until the hub has noticed.
    pub async fn restart(&self) -> Result<(), GatewayError> {
        self.process.restart()?;
        self.serves().await?;
        if !self.options.registered_by_operator && registration::is_registered(&self.hub).await? {
            self.register().await
        } else {
            Ok(())
        }
    }

    /// Registers it at the hub, even if it is registered already, and waits until it is available.
    pub async fn register(&self) -> Result<(), GatewayError> {
        registration::register(&self.hub, self.port, &self.ca_pem(), &self.process).await
    }

    /// Removes it from the hub's API.
    pub async fn unregister(&self) -> Result<(), GatewayError> {
        registration::unregister(&self.hub).await
    }

    async fn serves(&self) -> Result<(), ProcessError> {
        let client = self.client_with(&Credentials::Anonymous);
        self.process.says_ready(READY_WITHIN, &client).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            ends_of_logs([&self.process].into_iter());
        }
    }
}

impl std::ops::Deref for SharedGateway {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        self.gateway
    }
}

fn args(options: &GatewayOptions, directory: &Path, port: u16, admin_port: u16) -> Vec<String> {
    let file = |name| directory.join(name).display().to_string();
    let admin = format!("127.0.0.1:{admin_port}");
    let bind = match options.address {
        Some(_) => Ipv4Addr::UNSPECIFIED,
        None => Ipv4Addr::LOCALHOST,
    };
    let flags = [
        ("--kubeconfig", file("hub.kubeconfig")),
        ("--secret-namespace", options.secret_namespace.clone()),
        ("--bind-address", bind.to_string()),
        ("--secure-port", port.to_string()),
        ("--tls-cert-file", file("serving.crt")),
        ("--tls-private-key-file", file("serving.key")),
        ("--admin-bind-address", admin),
    ];
    let flags = flags
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value]);
    flags.chain(options.args.iter().cloned()).collect()
}
