//! Upstream's managed-serviceaccount agent, which benchmarks compare ours with. It runs on the same
//! hub and the same spoke, under a managed cluster's name of its own, with the rights that its
//! manager would give it.

use std::{fs, io, time::Duration};

use k8s_openapi::api::{
    core::v1::Namespace,
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::Api;
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, Credentials, TokenError, create_if_absent},
    gateway::{GatewayError, registration},
    host,
    ocm::Addon,
    pki::PkiError,
    process::{Process, ProcessError, Spec},
    programs::{EnsureError, MANAGED_SERVICEACCOUNT, Programs},
    world::ends_of_logs,
};

const PROGRAM: &str = "managed-serviceaccount";
/// The name that its manager gives the roles.
const HUB_ROLE: &str = "managed-serviceaccount-addon-agent";
const SPOKE_ROLE: &str = "open-cluster-management:managed-serviceaccount:addon-agent";
/// Its account on the spoke.
const ACCOUNT: &str = "managed-serviceaccount";
const RBAC: &str = "rbac.authorization.k8s.io";
const MSA: &str = "authentication.open-cluster-management.io";
const TOKEN_TTL: Duration = Duration::from_hours(6);

/// A running agent of upstream's. It is killed when it is dropped.
#[derive(Debug)]
pub struct UpstreamMsa {
    process: Process,
}

/// Why it could not be started.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamMsaError {
    /// Its program is missing and could not be built.
    #[error(transparent)]
    Programs(#[from] EnsureError),
    /// Its files could not be written.
    #[error("cannot lay out the directory of upstream's agent")]
    Files(#[from] io::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// There is no token for it on the spoke.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A cluster refused one of its roles.
    #[error(transparent)]
    Refused(#[from] GatewayError),
    /// It did not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl UpstreamMsa {
    /// Starts an agent of `cluster` without waiting for anything. The CRD of accounts must exist.
    /// Only one can run on a machine, because it listens on port 8000 of every address.
    pub async fn start(
        hub: &Cluster,
        spoke: &Cluster,
        cluster: &str,
    ) -> Result<Self, UpstreamMsaError> {
        let programs = Programs::ensure(&[&MANAGED_SERVICEACCOUNT])?;
        let directory = spoke.directory().join(PROGRAM);
        fs::create_dir(&directory)?;
        let namespace = Addon::namespace();
        grant_on_hub(hub, cluster).await?;
        grant_on_spoke(spoke, namespace).await?;
        let of_cluster =
            format!("system:open-cluster-management:cluster:{cluster}:addon:{PROGRAM}");
        let of_all = format!("system:open-cluster-management:addon:{PROGRAM}");
        let user = format!("{of_cluster}:agent:addon-agent");
        let on_hub = hub.certificate_of(&user, &[&of_cluster, &of_all])?;
        let on_hub = hub.write_kubeconfig("msa.kubeconfig", hub.url(), &hub.ca_pem(), &on_hub)?;
        let token = spoke.service_account_token(namespace, ACCOUNT, TOKEN_TTL);
        let on_spoke = Credentials::Token(token.await?);
        let on_spoke =
            spoke.write_kubeconfig("msa.kubeconfig", spoke.url(), &spoke.ca_pem(), &on_spoke)?;
        let address = || format!("127.0.0.1:{}", host::free_port());
        let variable = |name: &str, value: String| (name.to_owned(), value);
        let process = Process::start(Spec {
            name: format!("upstream's agent of {}", spoke.name()),
            program: programs.path(PROGRAM).to_owned(),
            args: vec![
                "agent".to_owned(),
                format!("--cluster-name={cluster}"),
                format!("--kubeconfig={}", on_hub.display()),
                format!("--spoke-kubeconfig={}", on_spoke.display()),
                format!("--metrics-bind-address={}", address()),
                format!("--health-probe-bind-address={}", address()),
            ],
            env: vec![
                variable("NAMESPACE", namespace.to_owned()),
                variable("HUB_KUBECONFIG", on_hub.display().to_string()),
            ],
            log: directory.join(format!("{PROGRAM}.log")),
            directory,
        })?;
        Ok(Self { process })
    }

    /// The namespace of the accounts' `ServiceAccount`s on the spoke, which all add-ons share.
    pub fn namespace() -> &'static str {
        Addon::namespace()
    }

    /// Its user name on the spoke.
    pub fn user_on_spoke() -> String {
        format!("system:serviceaccount:{}:{ACCOUNT}", Addon::namespace())
    }

    /// Its process, for its pid and log, and to start it again.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

impl Drop for UpstreamMsa {
    fn drop(&mut self) {
        if std::thread::panicking() {
            ends_of_logs([&self.process].into_iter());
        }
    }
}

async fn grant_on_hub(hub: &Cluster, cluster: &str) -> Result<(), GatewayError> {
    let client = hub.client();
    let namespaces = Api::<Namespace>::all(client.clone());
    let created = create_if_absent(&namespaces, cluster).await;
    created.map_err(registration::refused(format!("Namespace {cluster}")))?;
    let allowed = json!({"rules": [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch", "create", "update"]},
        {"apiGroups": [MSA], "resources": ["managedserviceaccounts"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [MSA], "resources": ["managedserviceaccounts/status"], "verbs": ["get", "update", "patch"]},
    ]});
    let group = format!("system:open-cluster-management:cluster:{cluster}:addon:{PROGRAM}");
    let subject = json!({"apiGroup": RBAC, "kind": "Group", "name": group});
    let roles = Api::<Role>::namespaced(client.clone(), cluster);
    registration::put(&roles, HUB_ROLE, allowed).await?;
    let bindings = Api::<RoleBinding>::namespaced(client, cluster);
    registration::put(&bindings, HUB_ROLE, binding("Role", HUB_ROLE, &subject)).await
}

async fn grant_on_spoke(spoke: &Cluster, namespace: &str) -> Result<(), GatewayError> {
    let client = spoke.client();
    let namespaces = Api::<Namespace>::all(client.clone());
    let created = create_if_absent(&namespaces, namespace).await;
    created.map_err(registration::refused(format!("Namespace {namespace}")))?;
    let allowed = json!({"rules": [
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["serviceaccounts", "serviceaccounts/token"],
         "verbs": ["get", "watch", "list", "create", "delete"]},
    ]});
    let reviews = json!({"rules": [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
    ]});
    let subject = json!({"kind": "ServiceAccount", "namespace": namespace, "name": ACCOUNT});
    let roles = Api::<Role>::namespaced(client.clone(), namespace);
    registration::put(&roles, SPOKE_ROLE, allowed).await?;
    let bindings = Api::<RoleBinding>::namespaced(client.clone(), namespace);
    let bound = binding("Role", SPOKE_ROLE, &subject);
    registration::put(&bindings, SPOKE_ROLE, bound).await?;
    let roles = Api::<ClusterRole>::all(client.clone());
    registration::put(&roles, SPOKE_ROLE, reviews).await?;
    let bindings = Api::<ClusterRoleBinding>::all(client);
    let bound = binding("ClusterRole", SPOKE_ROLE, &subject);
    registration::put(&bindings, SPOKE_ROLE, bound).await
}

fn binding(kind: &str, role: &str, subject: &Value) -> Value {
    json!({
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [subject],
    })
}
