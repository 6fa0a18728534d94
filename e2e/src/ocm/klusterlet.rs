//! OCM's two agents beside a spoke. One registers it at the hub, the other one applies
//! `ManifestWork`s.

use std::{fs, io, path::PathBuf, time::Duration};

use k8s_openapi::api::{
    certificates::v1::CertificateSigningRequest,
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::json;

use super::{
    BOOTSTRAP_USER, OcmError, approval::approve, common, definitions, namespaces, spec_in,
};
use crate::{
    cluster::Cluster,
    gateway::registration::put,
    process::{Process, Spec},
    programs::Programs,
    world::ends_of_logs,
};

const JOINED_WITHIN: Duration = Duration::from_mins(1);
const NAMESPACE: &str = "open-cluster-management-agent";
const RBAC: &str = "rbac.authorization.k8s.io";
/// The registration agent's own name. The certificate requests of add-ons are checked against it.
pub(super) const AGENT: &str = "e2e";
/// The namespace where add-ons' agents are installed.
pub(super) const ADDON_NAMESPACE: &str = "open-cluster-management-agent-addon";

/// OCM's agents of a spoke that has joined. They are killed when this is dropped.
#[derive(Debug)]
pub struct Klusterlet {
    pub(super) hub: Cluster,
    pub(super) spoke: Cluster,
    registration: Process,
    work: Process,
}

/// How a spoke joins.
#[derive(Clone, Copy, Debug, Default)]
pub struct KlusterletOptions {
    /// Whether the hub is told the address of the spoke's API server.
    pub dialable: bool,
    /// Whether add-ons' agents get tokens instead of client certificates.
    pub addon_tokens: bool,
}

impl Klusterlet {
    pub(super) async fn join(
        hub: &Cluster,
        programs: &Programs,
        spoke: &Cluster,
        options: KlusterletOptions,
    ) -> Result<Self, OcmError> {
        let prepare = || async {
            definitions::install_on_spoke(spoke, programs).await?;
            namespaces(spoke, &[NAMESPACE, ADDON_NAMESPACE]).await
        };
        spoke.on_its_side(prepare).await?;
        let bootstrap = bootstrap(hub, spoke).await?;
        let credentials = spoke.directory().join("ocm-hub-kubeconfig");
        fs::create_dir(&credentials)?;
        let kubeconfig = spoke.kubeconfig_path();
        let shared = || {
            let mut args = common("agent", &kubeconfig, NAMESPACE);
            args.extend([
                format!("--spoke-kubeconfig={}", kubeconfig.display()),
                format!("--spoke-cluster-name={}", spoke.name()),
                format!("--hub-kubeconfig-dir={}", credentials.display()),
                format!("--agent-id={AGENT}"),
            ]);
            args
        };
        let mut args = shared();
        args.extend([
            format!("--bootstrap-kubeconfig={}", bootstrap.display()),
            "--feature-gates=AddonManagement=true".to_owned(),
            "--cluster-healthcheck-period=10s".to_owned(),
        ]);
        if options.dialable {
            args.push(format!("--spoke-external-server-urls={}", spoke.url()));
        }
        if options.addon_tokens {
            args.push("--addon-kubeclient-registration-auth=token".to_owned());
        }
        let registration = Process::start(beside(programs, spoke, "ocm-registration", args)?)?;
        let hub_kubeconfig = credentials.join("kubeconfig");
        let written = || async {
            let_in(hub, spoke.name()).await?;
            let written = fs::metadata(&hub_kubeconfig);
            written.map(drop).map_err(|error| error.to_string())
        };
        registration.ready(JOINED_WITHIN, written).await?;
        let mut args = shared();
        args.extend([
            "--workload-source-driver=kube".to_owned(),
            format!("--workload-source-config={}", hub_kubeconfig.display()),
        ]);
        let work = Process::start(beside(programs, spoke, "ocm-work", args)?)?;
        let klusterlet = Self {
            hub: hub.clone(),
            spoke: spoke.clone(),
            registration,
            work,
        };
        klusterlet.is_available().await?;
        Ok(klusterlet)
    }

    /// The agent that registers the spoke and its add-ons.
    pub fn registration(&self) -> &Process {
        &self.registration
    }

    /// The agent that applies the hub's `ManifestWork`s to the spoke.
    pub fn work(&self) -> &Process {
        &self.work
    }

    async fn is_available(&self) -> Result<(), OcmError> {
        let clusters = managed_clusters(&self.hub);
        let available = || async {
            let cluster = clusters.get(self.spoke.name()).await;
            let cluster = cluster.map_err(|error| error.to_string())?;
            let conditions = &cluster.data["status"]["conditions"];
            for wanted in ["ManagedClusterJoined", "ManagedClusterConditionAvailable"] {
                let holds = conditions
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|condition| condition["type"] == wanted && condition["status"] == "True");
                if !holds {
                    return Err(format!("not yet {wanted}: {conditions}"));
                }
            }
            Ok(())
        };
        self.registration.ready(JOINED_WITHIN, available).await?;
        Ok(())
    }
}

impl Drop for Klusterlet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            ends_of_logs([&self.registration, &self.work].into_iter());
        }
    }
}

fn managed_clusters(hub: &Cluster) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("cluster.open-cluster-management.io", "v1", "ManagedCluster");
    Api::all_with(hub.client(), &ApiResource::from_gvk(&kind))
}

/// Approves the certificate of a registration agent after the hub has its cluster. An agent that
/// gets the certificate earlier cancels its only request to create the cluster, and never sends
/// another one.
async fn let_in(hub: &Cluster, cluster: &str) -> Result<(), String> {
    let found = managed_clusters(hub).get(cluster).await;
    found.map_err(|error| error.to_string())?;
    let labels = format!("open-cluster-management.io/cluster-name={cluster}");
    let asks_to_join = |request: &CertificateSigningRequest| {
        request.spec.username.as_deref() == Some(BOOTSTRAP_USER)
    };
    let approved = approve(&hub.client(), &labels, asks_to_join).await;
    approved.map_err(|error| error.to_string())
}

/// An agent of the spoke, in a directory of its own. On a hub that manages itself, the directory of the
/// program is that of its controller.
fn beside(
    programs: &Programs,
    spoke: &Cluster,
    program: &str,
    args: Vec<String>,
) -> io::Result<Spec> {
    let directory = spoke.directory().join("klusterlet");
    fs::create_dir_all(&directory)?;
    spec_in(programs, spoke, program, &directory.join(program), args)
}

/// A kubeconfig of a user who may ask to join.
async fn bootstrap(hub: &Cluster, spoke: &Cluster) -> Result<PathBuf, OcmError> {
    let rules = json!({"rules": [
        {
            "apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests"],
            "verbs": ["create", "get", "list", "watch"],
        },
        {
            "apiGroups": ["cluster.open-cluster-management.io"], "resources": ["managedclusters"],
            "verbs": ["create", "get", "list", "update", "watch"],
        },
    ]});
    let binding = json!({
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": BOOTSTRAP_USER},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": BOOTSTRAP_USER}],
    });
    put(
        &Api::<ClusterRole>::all(hub.client()),
        BOOTSTRAP_USER,
        rules,
    )
    .await?;
    put(
        &Api::<ClusterRoleBinding>::all(hub.client()),
        BOOTSTRAP_USER,
        binding,
    )
    .await?;
    let credentials = hub.certificate_of(BOOTSTRAP_USER, &[])?;
    let file = format!("bootstrap-of-{}.kubeconfig", spoke.name());
    Ok(hub.write_kubeconfig(&file, hub.url(), &hub.ca_pem(), &credentials)?)
}
