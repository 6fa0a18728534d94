//! One cluster: a kube-apiserver, and mostly a kube-controller-manager, on the World's etcd.

use std::{
    fs,
    future::Future,
    io,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};

use crate::{
    fence::{Fence, Side},
    pki::{Authority, Identity, PkiError, SigningKey},
    process::{Process, ProcessError, Spec},
    site::{self, Site},
};

mod access;
mod credentials;
mod flags;

pub use access::TokenError;
pub(crate) use access::{apply, create_if_absent};
pub use credentials::Credentials;
pub(crate) use credentials::client;
use flags::Files;

const READY_WITHIN: Duration = Duration::from_mins(1);
const SERVER_SANS: &[&str] = &[
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "localhost",
    "127.0.0.1",
    "10.96.0.1",
];

/// The audit policy: metadata of every call except those of the cluster's own components and of the
/// tests.
const AUDIT_POLICY: &str = r#"{"apiVersion": "audit.k8s.io/v1", "kind": "Policy",
"omitStages": ["RequestReceived"], "rules": [
{"level": "None", "userGroups": ["system:masters", "system:serviceaccounts:kube-system"]},
{"level": "None", "users": ["system:apiserver", "system:kube-controller-manager"]},
{"level": "Metadata"}]}"#;

/// A running cluster. Clones are the same cluster.
#[derive(Clone, Debug)]
pub struct Cluster(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    site: Arc<Site>,
    directory: PathBuf,
    url: String,
    ca: Authority,
    front_proxy_ca: Authority,
    front_proxy_client: Identity,
    admin: Credentials,
    apiserver: Process,
    controller_manager: Option<Process>,
    /// Its own etcd, if the World's is out of reach.
    etcd: Option<Process>,
    address: SocketAddrV4,
    node: Option<(Arc<Fence>, Side)>,
}

/// Where to put a cluster.
pub(crate) struct Place {
    /// The address of its API server.
    pub(crate) address: SocketAddrV4,
    /// The URL of its etcd.
    pub(crate) etcd: String,
    /// The side of the fence on which it is, if it has a node. Otherwise it is on the side of the
    /// thread that starts it.
    pub(crate) node: Option<(Arc<Fence>, Side)>,
    /// Whether its API server keeps an audit log.
    pub(crate) audited: bool,
    /// Whether it has a controller manager.
    pub(crate) is_controlled: bool,
    /// Whether its API server closes connections in good order now and then.
    pub(crate) restless: bool,
}

/// Why a cluster could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A certificate or key could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A file of the cluster could not be written.
    #[error("cannot lay out the cluster's directory")]
    Directory(#[from] io::Error),
    /// A process did not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl Cluster {
    /// Starts the processes. [`wait_until_ready`](Self::wait_until_ready) waits until they serve.
    pub(crate) fn launch(site: &Arc<Site>, name: &str, place: Place) -> Result<Self, LaunchError> {
        let Place {
            address,
            etcd: etcd_url,
            node,
            audited,
            is_controlled,
            restless,
        } = place;
        let directory = site.directory.join(name);
        fs::create_dir(&directory)?;
        let url = format!("https://{address}");
        let ca = Authority::new(&format!("{name}-ca"))?;
        let front_proxy_ca = Authority::new(&format!("{name}-front-proxy-ca"))?;
        let front_proxy_client = front_proxy_ca.issue_client("front-proxy-client", &[])?;
        write_pki(&directory, &ca, &front_proxy_ca)?;
        let ip = address.ip().to_string();
        let sans = [SERVER_SANS, &[&ip]].concat();
        write_identity(&directory, "apiserver", &ca.issue_server(&sans)?)?;
        write_identity(&directory, "front-proxy-client", &front_proxy_client)?;
        let admin = write_kubeconfigs(&directory, &url, &ca)?;
        let over_there = |spec: Spec| beside(node.as_ref(), spec);
        let start = |program: &str, args| {
            let spec = site.spec(&format!("{program} of {name}"), program, &directory);
            Process::start(over_there(Spec { args, ..spec }))
        };
        let files = Files(&directory);
        let mut apiserver_flags = flags::apiserver(&files, &etcd_url, name, address);
        if audited {
            apiserver_flags.extend(audit(&directory)?);
        }
        apiserver_flags.extend(restless.then(|| flags::RESTLESS.to_owned()));
        let mut manager_flags = flags::controller_manager(&files);
        let mut etcd = None;
        if let Some((_, on)) = &node {
            let kubelet_client = ca.issue_client("kube-apiserver", &["system:masters"])?;
            write_identity(&directory, "kubelet-client", &kubelet_client)?;
            apiserver_flags.extend(flags::apiserver_with_node(&files));
            flags::add_pod_controllers(&mut manager_flags);
            // The World's etcd is on the hub's side.
            if *on == Side::Spoke {
                let spec = site::etcd(site, &directory.join("etcd"), &etcd_url)?;
                etcd = Some(Process::start(over_there(spec))?);
            }
        }
        let apiserver = start("kube-apiserver", apiserver_flags)?;
        let manager = is_controlled.then(|| start("kube-controller-manager", manager_flags));
        Ok(Self(Arc::new(Inner {
            name: name.to_owned(),
            site: Arc::clone(site),
            directory,
            url,
            ca,
            front_proxy_ca,
            front_proxy_client,
            admin,
            apiserver,
            controller_manager: manager.transpose()?,
            etcd,
            address,
            node,
        })))
    }

    pub(crate) async fn wait_until_ready(&self) -> Result<(), ProcessError> {
        self.on_its_side(|| self.is_ready()).await
    }

    async fn is_ready(&self) -> Result<(), ProcessError> {
        let client = self.client();
        self.apiserver_serves(&client).await?;
        let Some(manager) = &self.0.controller_manager else {
            return Ok(());
        };
        let accounts = Api::<ServiceAccount>::namespaced(client, "default");
        let account = || async {
            let found = accounts
                .get_opt("default")
                .await
                .map_err(|error| error.to_string())?;
            let found = found.map(|_| ());
            found.ok_or_else(|| "no default ServiceAccount yet".to_owned())
        };
        match manager.ready(READY_WITHIN, account).await {
            // It gives up after a while without a healthy API server, which there is only now.
            Err(ProcessError::Exited { .. }) => {
                manager.restart()?;
                manager.ready(READY_WITHIN, account).await
            }
            ended => ended,
        }
    }

    async fn apiserver_serves(&self, client: &Client) -> Result<(), ProcessError> {
        self.0.apiserver.says_ready(READY_WITHIN, client).await
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The URL of its API server.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The CA of its API server's certificate and of its client certificates, PEM.
    pub fn ca_pem(&self) -> String {
        self.0.ca.certificate()
    }

    /// That CA, to issue further certificates.
    pub fn cluster_ca(&self) -> &Authority {
        &self.0.ca
    }

    /// The CA that vouches for the aggregator.
    pub fn front_proxy_ca(&self) -> &Authority {
        &self.0.front_proxy_ca
    }

    /// The certificate by which the aggregator authenticates to aggregated API servers.
    pub fn front_proxy_client(&self) -> &Identity {
        &self.0.front_proxy_client
    }

    /// The cluster admin's credentials.
    pub fn admin(&self) -> &Credentials {
        &self.0.admin
    }

    /// Its directory in the World.
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// The file in which an audited cluster's API server writes one line per call when it answers,
    /// except for calls of the cluster's admin and its own controllers; see
    /// [`WorldBuilder::audited`].
    ///
    /// [`WorldBuilder::audited`]: crate::world::WorldBuilder::audited
    pub fn audit_log(&self) -> PathBuf {
        self.directory().join(flags::AUDIT_LOG)
    }

    /// The fence, if it is on a spoke's side.
    pub fn fence(&self) -> Option<&Arc<Fence>> {
        let spokes = self
            .0
            .node
            .as_ref()
            .filter(|(_, side)| *side == Side::Spoke);
        spokes.map(|(fence, _)| fence)
    }

    /// Where it is, if it has a node.
    pub(crate) fn node_place(&self) -> Option<(&Arc<Fence>, Side)> {
        self.0.node.as_ref().map(|(fence, side)| (fence, *side))
    }

    /// The address where its API server listens.
    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.0.address
    }

    /// The same program on the side of its API server.
    pub(crate) fn beside(&self, spec: Spec) -> Spec {
        beside(self.0.node.as_ref(), spec)
    }

    /// Runs `work` where its API server can be reached: on this thread or, if the cluster is behind
    /// a fence, on another thread that this one waits for.
    pub async fn on_its_side<T, F>(&self, work: impl FnOnce() -> F + Send) -> T
    where
        T: Send,
        F: Future<Output = T>,
    {
        match self.fence() {
            Some(fence) => fence.on_spoke_side(work),
            None => work().await,
        }
    }

    pub(crate) fn site(&self) -> &Arc<Site> {
        &self.0.site
    }

    /// Its API server, for its pid and log, and to pause it.
    pub fn apiserver(&self) -> &Process {
        &self.0.apiserver
    }

    /// Its processes. A process comes before the one that it depends on.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        let manager = self.0.controller_manager.iter();
        manager.chain([&self.0.apiserver]).chain(&self.0.etcd)
    }

    /// Kills the API server. What it stored stays in etcd. It is not asked to end, because it would
    /// drain its watches for longer than tests can wait.
    pub fn stop_apiserver(&self) -> ExitStatus {
        self.0.apiserver.kill()
    }

    /// Starts the API server again on the same port, and waits until it serves.
    pub async fn start_apiserver(&self) -> Result<(), ProcessError> {
        self.0.apiserver.restart()?;
        let serves = || async { self.apiserver_serves(&self.client()).await };
        self.on_its_side(serves).await
    }
}

fn beside(node: Option<&(Arc<Fence>, Side)>, spec: Spec) -> Spec {
    match node {
        Some((fence, side)) => fence.on(*side, spec),
        None => spec,
    }
}

/// Writes the audit policy, and returns the flags that use it.
fn audit(directory: &Path) -> Result<Vec<String>, LaunchError> {
    fs::write(directory.join(flags::AUDIT_POLICY), AUDIT_POLICY)?;
    Ok(flags::audit(&Files(directory)))
}

fn write_pki(directory: &Path, ca: &Authority, front_proxy: &Authority) -> Result<(), LaunchError> {
    let authority = Identity {
        certificate: ca.certificate(),
        key: ca.key(),
    };
    write_identity(directory, "ca", &authority)?;
    fs::write(
        directory.join("front-proxy-ca.crt"),
        front_proxy.certificate(),
    )?;
    let tokens = SigningKey::generate()?;
    fs::write(directory.join("service-account.key"), tokens.private)?;
    fs::write(directory.join("service-account.pub"), tokens.public)?;
    Ok(())
}

pub(crate) fn write_identity(directory: &Path, name: &str, pair: &Identity) -> io::Result<()> {
    fs::write(directory.join(format!("{name}.crt")), &pair.certificate)?;
    fs::write(directory.join(format!("{name}.key")), &pair.key)
}

/// Writes the kubeconfigs of the controller manager and of the admin, and returns the admin's
/// credentials.
fn write_kubeconfigs(
    directory: &Path,
    url: &str,
    ca: &Authority,
) -> Result<Credentials, LaunchError> {
    let admin = ca.issue_client("kubernetes-admin", &["system:masters"])?;
    let admin = Credentials::Certificate(admin);
    write_kubeconfig(&directory.join("admin.kubeconfig"), url, ca, &admin)?;
    let manager = ca.issue_client("system:kube-controller-manager", &[])?;
    let manager = Credentials::Certificate(manager);
    let path = directory.join("controller-manager.kubeconfig");
    write_kubeconfig(&path, url, ca, &manager)?;
    Ok(admin)
}

fn write_kubeconfig(path: &Path, url: &str, ca: &Authority, who: &Credentials) -> io::Result<()> {
    let config = credentials::kubeconfig(url, &ca.certificate(), who);
    fs::write(path, serde_json::to_vec_pretty(&config)?)
}
