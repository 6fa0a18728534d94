//! A hub and a managed cluster with an agent between them, for one test at a time.

use std::{any::Any, path::PathBuf, time::Duration};

use crds::authentication::{ManagedServiceAccount, TOKEN_KEY, TOKEN_REPORTED};
use e2e::{
    Agent, AgentOptions, Cluster, Credentials, Interposer, World, enrolled, eventually,
    interposer::Call,
};
use http::Request;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    client::Body,
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

pub(crate) const NAMESPACE: &str = enrolled::TOKEN_NAMESPACE;
pub(crate) const CLUSTER: &str = "managed1";
/// The group that every add-on agent is a member of.
pub(crate) const AGENTS: &str = "system:open-cluster-management:addon:cluster-proxy";
/// Longer than anything takes that the agent does immediately.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Only one test at a time uses the shared World, because an agent must be alone in its namespaces.
static TURN: Mutex<()> = Mutex::const_new(());

pub(crate) struct Stage {
    pub(crate) agent: Agent,
    pub(crate) between: Option<Between>,
    hub: Cluster,
    spoke: Cluster,
    /// What must live as long as the stage: a World, or the lock of the shared one.
    _held: Box<dyn Any>,
}

/// The interposers that the agent's calls go through.
pub(crate) struct Between {
    pub(crate) hub: Interposer,
    pub(crate) spoke: Interposer,
}

impl Between {
    pub(crate) async fn start(hub: &Cluster, spoke: &Cluster) -> Self {
        Self {
            hub: Interposer::start(hub).await.unwrap(),
            spoke: Interposer::start(spoke).await.unwrap(),
        }
    }

    /// The interposer that such a call goes through.
    pub(crate) fn of(&self, call: &Call) -> &Interposer {
        if call.resource.starts_with("serviceaccounts") {
            &self.spoke
        } else {
            &self.hub
        }
    }
}

impl Stage {
    /// A stage without leftovers of earlier tests, with an agent.
    pub(crate) async fn start(args: &[&str]) -> Self {
        let turn = TURN.lock().await;
        let world = World::shared().await;
        let clusters = [world.cluster("hub").clone(), world.cluster(CLUSTER).clone()];
        let options = AgentOptions {
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            ..AgentOptions::default()
        };
        Self::with(clusters, None, options, Box::new((world, turn))).await
    }

    /// The same, with an agent of these options, which may name files for the hub.
    pub(crate) async fn with_options(options: impl FnOnce(&Cluster) -> AgentOptions) -> Self {
        let turn = TURN.lock().await;
        let world = World::shared().await;
        let clusters = [world.cluster("hub").clone(), world.cluster(CLUSTER).clone()];
        let options = options(&clusters[0]);
        Self::with(clusters, None, options, Box::new((world, turn))).await
    }

    /// The same, with all calls of the agent going through interposers.
    pub(crate) async fn interposed() -> Self {
        let turn = TURN.lock().await;
        let world = World::shared().await;
        let clusters = [world.cluster("hub").clone(), world.cluster(CLUSTER).clone()];
        let between = Between::start(&clusters[0], &clusters[1]).await;
        Self::with(
            clusters,
            Some(between),
            AgentOptions::default(),
            Box::new((world, turn)),
        )
        .await
    }

    /// The same in a World of its own, for tests that take long.
    pub(crate) async fn alone() -> Self {
        let world = World::builder().cluster("hub").cluster(CLUSTER);
        let world = world.start().await.unwrap();
        let clusters = [world.cluster("hub").clone(), world.cluster(CLUSTER).clone()];
        let between = Between::start(&clusters[0], &clusters[1]).await;
        Self::with(
            clusters,
            Some(between),
            AgentOptions::default(),
            Box::new(world),
        )
        .await
    }

    /// Two hubs with one managed cluster, in a World of their own.
    pub(crate) async fn of_two_hubs() -> [Self; 2] {
        let world = World::builder().cluster("hub").cluster("hub2");
        let world = world.cluster(CLUSTER).start().await.unwrap();
        let spoke = world.cluster(CLUSTER);
        let clusters = ["hub", "hub2"].map(|hub| [world.cluster(hub).clone(), spoke.clone()]);
        let options = ["one", "two"].map(|id| AgentOptions {
            args: vec![format!("--hub-id={id}"), "--connections=0".to_owned()],
            ..AgentOptions::default()
        });
        let ([first, second], [one, two]) = (clusters, options);
        let first = Self::with(first, None, one, Box::new(world)).await;
        let second = Self::with(second, None, two, Box::new(())).await;
        [first, second]
    }

    async fn with(
        [hub, spoke]: [Cluster; 2],
        between: Option<Between>,
        mut options: AgentOptions,
        held: Box<dyn Any>,
    ) -> Self {
        prepare(&hub, &spoke, between.is_some()).await;
        let kubeconfig = if let Some(between) = &between {
            let token = token(&hub, CLUSTER).await;
            let file = "agent-interposed.kubeconfig";
            let (ca, url) = (hub.ca_pem(), between.hub.url());
            let kubeconfig = hub.write_kubeconfig(file, url, &ca, &token).unwrap();
            options.hub_kubeconfig = Some(kubeconfig);
            options.args.push("--connections=0".to_owned());
            write_spoke_kubeconfig(&spoke, between.spoke.url(), &spoke.ca_pem()).await
        } else {
            write_spoke_kubeconfig(&spoke, spoke.url(), &spoke.ca_pem()).await
        };
        options.args.push("--tokens".to_owned());
        let kubeconfig = format!("--spoke-kubeconfig={}", kubeconfig.display());
        options.args.push(kubeconfig);
        let agent = Agent::start(&hub, &spoke, options).await.unwrap();
        Self {
            agent,
            between,
            hub,
            spoke,
            _held: held,
        }
    }

    pub(crate) fn hub(&self) -> &Cluster {
        &self.hub
    }

    pub(crate) fn spoke(&self) -> &Cluster {
        &self.spoke
    }

    /// Every token that was ever issued for an account, if all calls go through interposers.
    pub(crate) fn issued(&self, name: &str) -> Vec<String> {
        self.between.as_ref().unwrap().spoke.issued(name)
    }

    pub(crate) fn accounts(&self) -> Api<ManagedServiceAccount> {
        Api::namespaced(self.hub().client(), CLUSTER)
    }

    pub(crate) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.hub().client(), CLUSTER)
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

    /// Writes into a Secret as another user.
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

    /// The token that is in the Secret now.
    pub(crate) async fn token(&self, name: &str) -> Option<String> {
        let secret = self.secrets().get_opt(name).await.unwrap()?;
        String::from_utf8(secret.data?.remove(TOKEN_KEY)?.0).ok()
    }

    /// Waits for a token other than `old` that the managed cluster accepts.
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

    /// Whether the managed cluster accepts a token.
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

    /// Waits until the condition `TokenReported` of the account has this status and reason.
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

    /// One of the agent's metrics, summed over the label sets that contain `label`.
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

    /// The number of all calls of the agent except watches.
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

/// The agent's credentials on a cluster where it is a `ServiceAccount`.
async fn token(cluster: &Cluster, namespace: &str) -> Credentials {
    let hour = Duration::from_hours(1);
    let token = cluster.service_account_token(namespace, "spokeway-agent", hour);
    Credentials::Token(token.await.unwrap())
}

/// Writes the agent's kubeconfig of the managed cluster, or replaces it.
pub(crate) async fn write_spoke_kubeconfig(spoke: &Cluster, url: &str, ca_pem: &str) -> PathBuf {
    let token = token(spoke, "open-cluster-management-agent-addon").await;
    let file = "agent-on-spoke.kubeconfig";
    spoke.write_kubeconfig(file, url, ca_pem, &token).unwrap()
}

/// Applies the CRD and the rights in `config`, and nothing else.
async fn prepare(hub: &Cluster, spoke: &Cluster, by_token: bool) {
    enrolled::prepare_hub(hub).await.unwrap();
    enrolled::prepare_spoke(spoke).await.unwrap();
    let subject = if by_token {
        json!({"kind": "ServiceAccount", "namespace": CLUSTER, "name": "spokeway-agent"})
    } else {
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": AGENTS})
    };
    enrolled::allow(hub, CLUSTER, &subject).await.unwrap();
    clean(hub, spoke).await;
}

async fn clean(hub: &Cluster, spoke: &Cluster) {
    let accounts: Api<ManagedServiceAccount> = Api::namespaced(hub.client(), CLUSTER);
    // Objects of a new CRD are refused for a moment.
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
    let secrets: Api<Secret> = Api::namespaced(hub.client(), CLUSTER);
    secrets.delete_collection(&parameters, &all).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(spoke.client(), NAMESPACE);
    accounts.delete_collection(&parameters, &all).await.unwrap();
}
