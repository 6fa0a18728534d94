//! A spoke that has joined by OCM, with our agent as an OCM add-on. The agent has no credential at
//! the hub except the one that OCM issued, and no rights except those in `config`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    Agent, AgentOptions, Cluster, Credentials,
    agent::AgentError,
    cluster::TokenError,
    eventually,
    kubectl::KubectlError,
    ocm::{Addon, AddonError, Klusterlet, KlusterletOptions, Ocm, OcmError},
};

/// The name of the add-on and of its lease.
pub const ADDON: &str = "cluster-proxy";
/// The namespace on a spoke of the hub's accounts.
pub const TOKEN_NAMESPACE: &str = "open-cluster-management-managed-serviceaccount";
const SERVED_WITHIN: Duration = Duration::from_secs(20);
const RBAC: &str = "rbac.authorization.k8s.io";

/// A managed cluster that was enrolled as in production.
#[derive(Debug)]
pub struct Enrolled {
    hub: Cluster,
    spoke: Cluster,
    klusterlet: Klusterlet,
    addon: Addon,
    agent: Agent,
}

/// Why a spoke is not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// It did not join, or its add-on got no credential.
    #[error(transparent)]
    Ocm(#[from] OcmError),
    /// The add-on got no credential.
    #[error(transparent)]
    Addon(#[from] AddonError),
    /// The agent could not be started.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The agent got no token on the spoke.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A cluster refused an object.
    #[error(transparent)]
    Kubectl(#[from] KubectlError),
    /// A kubeconfig could not be written.
    #[error("cannot lay out the agent's kubeconfig")]
    Files(#[from] std::io::Error),
    /// The hub does not serve accounts.
    #[error("ManagedServiceAccounts are not served: {0}")]
    Unserved(String),
}

/// Applies what a hub needs for all agents.
pub async fn prepare_hub(hub: &Cluster) -> Result<(), EnrolError> {
    apply_file(hub, "crds/managedserviceaccounts.yaml").await?;
    apply_file(hub, "agent/rbac-hub.yaml").await?;
    let served = || async {
        let list = hub.kubectl(&["get", "managedserviceaccounts", "--all-namespaces"]);
        list.ok().await.map(drop)
    };
    let served = eventually(SERVED_WITHIN, "accounts are served", served).await;
    served.map_err(|elapsed| EnrolError::Unserved(elapsed.to_string()))
}

/// Applies what a spoke needs for its agent.
pub async fn prepare_spoke(spoke: &Cluster) -> Result<(), EnrolError> {
    namespace(spoke, Addon::namespace()).await?;
    apply_file(spoke, "agent/rbac-spoke.yaml").await
}

/// Lets a user manage the accounts of a managed cluster, in its namespace on the hub. The namespace
/// is created if it does not exist.
pub async fn allow(hub: &Cluster, cluster: &str, subject: &Value) -> Result<(), EnrolError> {
    namespace(hub, cluster).await?;
    let binding = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "RoleBinding",
        "metadata": {"name": "spokeway-agent-tokens", "namespace": cluster},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "spokeway-agent-tokens"},
        "subjects": [subject],
    });
    apply(hub, &binding.to_string()).await
}

impl Enrolled {
    /// Lets a spoke join, and runs our agent there, without a tunnel if the spoke can be dialled.
    pub async fn start(
        ocm: &Ocm,
        hub: &Cluster,
        spoke: &Cluster,
        options: KlusterletOptions,
    ) -> Result<Self, EnrolError> {
        let klusterlet = ocm.join(spoke, options).await?;
        let addon = klusterlet.addon(ADDON).await?;
        prepare_spoke(spoke).await?;
        let name = spoke.name();
        // The group of its own cluster's add-on, as in the registration.
        let group = format!("system:open-cluster-management:cluster:{name}:addon:{ADDON}");
        allow(
            hub,
            name,
            &json!({"apiGroup": RBAC, "kind": "Group", "name": group}),
        )
        .await?;
        let needs = if options.dialable {
            "tokens"
        } else {
            "tunnel+tokens"
        };
        let args = vec![
            "--tokens".to_owned(),
            format!(
                "--spoke-kubeconfig={}",
                pod_kubeconfig(spoke).await?.display()
            ),
            format!("--connections={}", if options.dialable { 0 } else { 2 }),
            format!("--lease={ADDON}={needs}"),
        ];
        let options = AgentOptions {
            hub_kubeconfig: Some(addon.kubeconfig()),
            args,
            ..AgentOptions::default()
        };
        let agent = Agent::attached(hub, spoke, options).await?;
        Ok(Self {
            hub: hub.clone(),
            spoke: spoke.clone(),
            klusterlet,
            addon,
            agent,
        })
    }

    /// Asks for an account on the spoke, and gives it a role there by a `ManifestWork`.
    pub async fn account(&self, name: &str, cluster_role: &str) -> Result<(), EnrolError> {
        let cluster = self.spoke.name();
        let account = json!({
            "apiVersion": "authentication.open-cluster-management.io/v1beta1",
            "kind": "ManagedServiceAccount",
            "metadata": {"name": name, "namespace": cluster},
            "spec": {"rotation": {"validity": "24h"}},
        });
        apply(&self.hub, &account.to_string()).await?;
        let binding = json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("{name}-{cluster_role}")},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": cluster_role},
            "subjects": [{"kind": "ServiceAccount", "namespace": TOKEN_NAMESPACE, "name": name}],
        });
        let work = json!({
            "apiVersion": "work.open-cluster-management.io/v1",
            "kind": "ManifestWork",
            "metadata": {"name": format!("{name}-{cluster_role}"), "namespace": cluster},
            "spec": {"workload": {"manifests": [binding]}},
        });
        apply(&self.hub, &work.to_string()).await
    }

    /// Our agent.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// OCM's agents on the spoke.
    pub fn klusterlet(&self) -> &Klusterlet {
        &self.klusterlet
    }

    /// The add-on's credential at the hub.
    pub fn addon(&mut self) -> &mut Addon {
        &mut self.addon
    }
}

/// A kubeconfig with the credentials that a pod of the agent would have on the spoke.
pub async fn pod_kubeconfig(spoke: &Cluster) -> Result<PathBuf, EnrolError> {
    let hour = Duration::from_hours(1);
    let token = spoke.service_account_token(Addon::namespace(), "spokeway-agent", hour);
    let token = Credentials::Token(token.await?);
    let file = "spokeway-agent.kubeconfig";
    Ok(spoke.write_kubeconfig(file, spoke.url(), &spoke.ca_pem(), &token)?)
}

async fn apply_file(cluster: &Cluster, file: &str) -> Result<(), EnrolError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../config")
        .join(file);
    let path = path.display().to_string();
    let apply = cluster.kubectl(&["apply", "--server-side", "-f", &path]);
    apply.ok().await?;
    Ok(())
}

async fn namespace(cluster: &Cluster, name: &str) -> Result<(), EnrolError> {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    apply(cluster, &object.to_string()).await
}

async fn apply(cluster: &Cluster, object: &str) -> Result<(), EnrolError> {
    let apply = cluster.kubectl(&["apply", "--server-side", "-f", "-"]);
    apply.stdin(object).ok().await?;
    Ok(())
}
