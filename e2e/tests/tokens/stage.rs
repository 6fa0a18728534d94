//! A hub and a managed cluster, an agent between them, and one journey at a time.

use std::{path::Path, time::Duration};

use crds::authentication::{ManagedServiceAccount, TOKEN_KEY, TOKEN_REPORTED};
use e2e::{Agent, AgentOptions, Cluster, Credentials, SharedWorld, World, eventually};
use http::Request;
use k8s_openapi::api::{
    core::v1::{Namespace, Secret, ServiceAccount},
    rbac::v1::RoleBinding,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    client::Body,
};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

pub(crate) const NAMESPACE: &str = "open-cluster-management-managed-serviceaccount";
/// Longer than anything takes that the agent does at once.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The World is shared, and an agent is alone in its namespaces.
static TURN: Mutex<()> = Mutex::const_new(());

pub(crate) struct Stage {
    pub(crate) agent: Agent,
    pub(crate) world: SharedWorld,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    /// With nothing left of earlier journeys, and an agent.
    pub(crate) async fn start(args: &[&str]) -> Self {
        let turn = TURN.lock().await;
        let world = World::shared().await;
        let (hub, spoke) = (world.cluster("hub"), world.cluster("managed1"));
        prepare(hub, spoke).await;
        let token = spoke.service_account_token(
            "open-cluster-management-agent-addon",
            "spokeway-agent",
            Duration::from_hours(1),
        );
        let token = Credentials::Token(token.await.unwrap());
        let kubeconfig = spoke
            .write_kubeconfig(
                "agent-on-spoke.kubeconfig",
                spoke.url(),
                &spoke.ca_pem(),
                &token,
            )
            .unwrap();
        let own = [
            "--tokens".to_owned(),
            format!("--spoke-kubeconfig={}", kubeconfig.display()),
        ];
        let args = own
            .into_iter()
            .chain(args.iter().map(|&arg| arg.to_owned()));
        let options = AgentOptions {
            args: args.collect(),
            ..AgentOptions::default()
        };
        let agent = Agent::start(hub, spoke, options).await.unwrap();
        Self {
            agent,
            world,
            _turn: turn,
        }
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    pub(crate) fn spoke(&self) -> &Cluster {
        self.world.cluster("managed1")
    }

    pub(crate) fn accounts(&self) -> Api<ManagedServiceAccount> {
        Api::namespaced(self.hub().client(), "managed1")
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.hub().client(), "managed1")
    }

    pub(crate) fn service_accounts(&self) -> Api<ServiceAccount> {
        Api::namespaced(self.spoke().client(), NAMESPACE)
    }

    pub(crate) async fn create(&self, name: &str, validity: &str) {
        self.accounts()
            .create(&PostParams::default(), &account(name, validity))
            .await
            .unwrap();
    }

    pub(crate) async fn change(&self, name: &str, change: Value) {
        let parameters = PatchParams::default();
        self.accounts()
            .patch(name, &parameters, &Patch::Merge(change))
            .await
            .unwrap();
    }

    /// Somebody writes into a Secret.
    pub(crate) async fn edit(&self, name: &str, change: Value) {
        self.secrets()
            .patch(name, &PatchParams::default(), &Patch::Merge(change))
            .await
            .unwrap();
    }

    pub(crate) async fn delete(&self, name: &str) {
        self.accounts()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }

    /// The token in the Secret by now.
    pub(crate) async fn token(&self, name: &str) -> Option<String> {
        let secret = self.secrets().get_opt(name).await.unwrap()?;
        String::from_utf8(secret.data?.remove(TOKEN_KEY)?.0).ok()
    }

    /// Waits for a token that the managed cluster takes, other than `old`.
    pub(crate) async fn usable_token(&self, name: &str, old: Option<&str>) -> String {
        let usable = || async {
            let token = self.token(name).await.ok_or("no token")?;
            if Some(token.as_str()) == old {
                return Err("the old token");
            }
            if self.is_taken(&token).await {
                Ok(token)
            } else {
                Err("a token that is refused")
            }
        };
        eventually(SOON, "a token that works", usable)
            .await
            .unwrap()
    }

    /// Whether the managed cluster knows the bearer of a token.
    pub(crate) async fn is_taken(&self, token: &str) -> bool {
        let client = self
            .spoke()
            .client_with(&Credentials::Token(token.to_owned()));
        let request = Request::get("/api").body(Body::empty()).unwrap();
        let status = client.send(request).await.unwrap().status().as_u16();
        assert!([200, 401].contains(&status), "{status}");
        status == 200
    }

    pub(crate) async fn is_revoked(&self, token: &str) {
        let revoked = || async {
            if self.is_taken(token).await {
                Err("still taken")
            } else {
                Ok(())
            }
        };
        eventually(SOON, "the token is refused", revoked)
            .await
            .unwrap();
    }

    /// Waits until the account says so: status and reason of `TokenReported`.
    pub(crate) async fn says(&self, name: &str, wanted: &str) -> String {
        let says = || async {
            let account = self
                .accounts()
                .get(name)
                .await
                .map_err(|error| error.to_string())?;
            let conditions = account.status.unwrap_or_default().conditions;
            let found = conditions
                .into_iter()
                .find(|condition| condition.type_ == TOKEN_REPORTED);
            let found = found.ok_or("no condition")?;
            let said = format!("{} {}", found.status, found.reason);
            if said == wanted {
                Ok(found.message)
            } else {
                Err(format!("{said}: {}", found.message))
            }
        };
        eventually(SOON, wanted, says).await.unwrap()
    }

    pub(crate) async fn is_gone(&self, name: &str) {
        let gone = || async {
            let found = self.accounts().get_metadata_opt(name).await.unwrap();
            found.map_or(Ok(()), |found| {
                Err(format!("{:?}", found.metadata.finalizers))
            })
        };
        eventually(SOON, "the account is gone", gone).await.unwrap();
    }

    /// One of the agent's metrics, summed over those of its labels that contain `label`.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> f64 {
        let config = kube::Config::new(self.agent.admin_url().parse().unwrap());
        let client = Client::try_from(config).unwrap();
        let request = Request::get("/metrics").body(Vec::new()).unwrap();
        let text = client.request_text(request).await.unwrap();
        let lines = text
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Every call of the agent but its watches.
    pub(crate) async fn calls(&self) -> f64 {
        self.metric("agent_tokens_api_calls_total", "").await
    }

    /// Its resident memory, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = format!("/proc/{}/status", self.agent.process().pid().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

pub(crate) fn account(name: &str, validity: &str) -> ManagedServiceAccount {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"rotation": {"validity": validity}},
    }))
    .unwrap()
}

/// The definition, the rights as they are in `config`, and nothing else.
async fn prepare(hub: &Cluster, spoke: &Cluster) {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    // OCM makes it.
    namespace(spoke, "open-cluster-management-agent-addon").await;
    for (cluster, file) in [
        (hub, "crds/managedserviceaccounts.yaml"),
        (hub, "agent/rbac-hub.yaml"),
        (spoke, "agent/rbac-spoke.yaml"),
    ] {
        let path = config.join(file);
        let path = path.to_str().unwrap();
        cluster
            .kubectl(&["apply", "--server-side", "-f", path])
            .ok()
            .await
            .unwrap();
    }
    let wait = [
        "wait",
        "--for=condition=Established",
        "crd/managedserviceaccounts.authentication.open-cluster-management.io",
    ];
    hub.kubectl(&wait).ok().await.unwrap();
    namespace(hub, "managed1").await;
    let apply = PatchParams::apply("e2e").force();
    let group = "rbac.authorization.k8s.io";
    let body = json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": "agent"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "spokeway-agent-tokens"},
        "subjects": [{
            "apiGroup": group, "kind": "Group", "name": "system:open-cluster-management:addon:cluster-proxy",
        }],
    });
    let bindings: Api<RoleBinding> = Api::namespaced(hub.client(), "managed1");
    bindings
        .patch("agent", &apply, &Patch::Apply(body))
        .await
        .unwrap();
    clean(hub, spoke).await;
}

async fn namespace(cluster: &Cluster, name: &str) {
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    Api::<Namespace>::all(cluster.client())
        .patch(
            name,
            &PatchParams::apply("e2e").force(),
            &Patch::Apply(body),
        )
        .await
        .unwrap();
}

async fn clean(hub: &Cluster, spoke: &Cluster) {
    let accounts: Api<ManagedServiceAccount> = Api::namespaced(hub.client(), "managed1");
    // A definition that is new is refused for a moment.
    let listed = || async { accounts.list(&ListParams::default()).await };
    let listed = eventually(SOON, "accounts are served", listed)
        .await
        .unwrap();
    for account in listed {
        let name = account.metadata.name.unwrap();
        let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        let _ = accounts.patch(&name, &PatchParams::default(), &free).await;
        let _ = accounts.delete(&name, &DeleteParams::default()).await;
    }
    let (parameters, all) = (DeleteParams::default(), ListParams::default());
    let secrets: Api<Secret> = Api::namespaced(hub.client(), "managed1");
    secrets.delete_collection(&parameters, &all).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(spoke.client(), NAMESPACE);
    accounts.delete_collection(&parameters, &all).await.unwrap();
}
