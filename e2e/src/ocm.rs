//! Open Cluster Management's own processes on a hub and its spokes: real registration, placement,
//! work and add-on controllers. Only the operators that would deploy them are missing.

mod accepted;
mod addon;
mod approval;
mod definitions;
mod klusterlet;
mod registration;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use tokio::net::TcpStream;

pub use self::{
    accepted::accept,
    addon::{Addon, AddonError},
    klusterlet::{Klusterlet, KlusterletOptions},
    registration::{AddonIdentity, Unfit},
};
use crate::{
    cluster::{Cluster, create_if_absent, write_identity},
    gateway::GatewayError,
    host,
    pki::{Authority, PkiError},
    process::{Process, ProcessError, Spec},
    programs::{EnsureError, OCM, Programs},
    world::ends_of_logs,
};

const READY_WITHIN: Duration = Duration::from_secs(30);
const NAMESPACE: &str = "open-cluster-management-hub";
const NAMESPACES: [&str; 3] = [
    NAMESPACE,
    "open-cluster-management",
    "open-cluster-management-addon",
];
/// The user that may ask to join the hub. The harness accepts its requests.
const BOOTSTRAP_USER: &str = "ocm-bootstrap";

/// OCM's hub side. It is killed when it is dropped.
#[derive(Debug)]
pub struct Ocm {
    hub: Cluster,
    programs: Programs,
    processes: Vec<Process>,
}

/// Why OCM could not be started, or a cluster did not join.
#[derive(Debug, thiserror::Error)]
pub enum OcmError {
    /// A program is missing and could not be built.
    #[error(transparent)]
    Programs(#[from] EnsureError),
    /// Files could not be written or read.
    #[error("cannot lay out OCM's directory")]
    Files(#[from] io::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// A process did not start or did not become ready.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A cluster refused an object.
    #[error(transparent)]
    Refused(#[from] GatewayError),
    /// A CRD of OCM does not have the expected form.
    #[error("{} is no definition: {why}", path.display())]
    Definition {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Ocm {
    /// Starts OCM on the hub.
    pub async fn start(hub: &Cluster) -> Result<Self, OcmError> {
        let mut ocm = Self::without_controllers(hub).await?;
        namespaces(hub, &NAMESPACES).await?;
        for (program, command) in [
            ("ocm-registration", "controller"),
            ("ocm-placement", "controller"),
            ("ocm-work", "manager"),
            ("ocm-addon", "manager"),
        ] {
            let mut args = common(command, &hub.kubeconfig_path(), NAMESPACE);
            if program == "ocm-registration" {
                let gates = "DefaultClusterSet=true,ManagedClusterAutoApproval=true";
                args.push(format!("--feature-gates={gates}"));
            }
            if program == "ocm-work" {
                args.push("--work-driver=kube".to_owned());
            }
            let process = Process::start(spec(&ocm.programs, hub, program, args)?)?;
            ocm.processes.push(process);
        }
        Ok(ocm)
    }

    /// Gives a hub the CRDs of an older release, with add-ons in v1alpha1 only, but no programs,
    /// because ours would not run on these CRDs. [`Ocm::start`] then upgrades the hub.
    pub async fn install_older_kinds(hub: &Cluster) -> Result<(), OcmError> {
        definitions::install_older_on_hub(hub, &Programs::ensure(&[&OCM])?).await
    }

    /// Applies OCM's CRDs to the hub without starting OCM's controllers.
    pub async fn without_controllers(hub: &Cluster) -> Result<Self, OcmError> {
        let mut ocm = Self {
            hub: hub.clone(),
            programs: Programs::ensure(&[&OCM])?,
            processes: Vec::new(),
        };
        fs::create_dir(ocm.directory())?;
        let conversion = ocm.start_conversion().await?;
        definitions::install_on_hub(hub, &ocm.programs, &conversion).await?;
        Ok(ocm)
    }

    /// Lets a spoke join, and waits until the hub reports it as joined and available.
    pub async fn join(
        &self,
        spoke: &Cluster,
        options: KlusterletOptions,
    ) -> Result<Klusterlet, OcmError> {
        Klusterlet::join(&self.hub, &self.programs, spoke, options).await
    }

    /// Its processes on the hub.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter()
    }

    fn directory(&self) -> PathBuf {
        self.hub.directory().join("ocm")
    }

    /// Starts the webhook that the two versions of the add-on API need before anything uses them.
    async fn start_conversion(&mut self) -> Result<Conversion, OcmError> {
        let authority = Authority::new("ocm-conversion-ca")?;
        let port = host::free_port();
        let directory = self.directory();
        let serving = authority.issue_server(&["localhost", "127.0.0.1"])?;
        write_identity(&directory, "tls", &serving)?;
        let args = vec![
            format!("--port={port}"),
            format!("--certdir={}", directory.display()),
        ];
        let process = Process::start(spec(&self.programs, &self.hub, "ocm-conversion", args)?)?;
        let listens = || async move {
            let connected = TcpStream::connect(("127.0.0.1", port)).await;
            connected.map(drop).map_err(|error| error.to_string())
        };
        process.ready(READY_WITHIN, listens).await?;
        self.processes.push(process);
        Ok(Conversion {
            url: format!("https://127.0.0.1:{port}/convert"),
            authority: authority.certificate(),
        })
    }
}

impl Drop for Ocm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            ends_of_logs(self.processes.iter());
        }
    }
}

/// The conversion webhook of the add-on API.
struct Conversion {
    url: String,
    /// PEM.
    authority: String,
}

/// The flags that every process of OCM gets.
fn common(command: &str, kubeconfig: &Path, namespace: &str) -> Vec<String> {
    vec![
        command.to_owned(),
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--namespace={namespace}"),
        format!("--listen=127.0.0.1:{}", host::free_port()),
        "--disable-leader-election".to_owned(),
    ]
}

/// How to start one of OCM's programs for a cluster, with its files in the cluster's directory.
fn spec(
    programs: &Programs,
    cluster: &Cluster,
    program: &str,
    args: Vec<String>,
) -> io::Result<Spec> {
    let directory = cluster.directory().join(program);
    spec_in(programs, cluster, program, &directory, args)
}

fn spec_in(
    programs: &Programs,
    cluster: &Cluster,
    program: &str,
    directory: &Path,
    args: Vec<String>,
) -> io::Result<Spec> {
    fs::create_dir(directory)?;
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Ok(cluster.beside(Spec {
        name: format!("{program} of {}", cluster.name()),
        program: programs.path(program).to_owned(),
        args,
        env: vec![
            variable("POD_NAME", program),
            variable("POD_NAMESPACE", NAMESPACE),
            variable("TMPDIR", &directory.display().to_string()),
        ],
        log: directory.join(format!("{program}.log")),
        directory: directory.to_owned(),
    }))
}

async fn namespaces(cluster: &Cluster, names: &[&str]) -> Result<(), OcmError> {
    let namespaces = Api::<Namespace>::all(cluster.client());
    for name in names {
        let created = create_if_absent(&namespaces, name).await;
        created.map_err(refused(&format!("Namespace {name}")))?;
    }
    Ok(())
}

fn refused(object: &str) -> impl FnOnce(kube::Error) -> GatewayError {
    crate::gateway::registration::refused(object.to_owned())
}
