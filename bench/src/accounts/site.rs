//! What is measured: our agent and upstream's, side by side on one hub and one spoke. Also what a
//! benchmark does to the accounts of either.

use std::{fmt, time::Duration};

use anyhow::Context as _;
use crds::authentication::{LABEL, ManagedServiceAccount, TOKEN_KEY};
use e2e::{
    Agent, AgentOptions, Cluster, Credentials, Gateway, GatewayOptions, Process, UpstreamMsa,
    World, enrolled,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::Request;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
    client::Body,
};
use serde_json::json;
use tokio::time::{Instant, sleep};

const SPOKE: &str = "managed1";
/// The number of the benchmark's own calls that run at once.
const AT_ONCE: usize = 32;
const POLL: Duration = Duration::from_millis(5);

/// Which agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stack {
    Ours,
    Upstream,
}

impl Stack {
    pub(crate) fn is_ours(self) -> bool {
        self == Self::Ours
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Upstream => "upstream",
        })
    }
}

/// One agent, and where its accounts are.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) stack: Stack,
    /// The managed cluster that it belongs to on the hub.
    pub(crate) cluster: &'static str,
    /// Where it keeps `ServiceAccount`s on the spoke.
    namespace: &'static str,
    /// Its user name in the audit log of the hub, and of the spoke.
    pub(crate) users: [String; 2],
}

/// Everything that runs; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Site {
    agent: Agent,
    upstream: UpstreamMsa,
    tenants: [Tenant; 2],
    _gateway: Gateway,
    pub(crate) world: World,
}

impl Site {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let clusters = World::builder().cluster("hub").cluster(SPOKE).audited();
        let world = clusters.start().await?;
        let (hub, spoke) = (world.cluster("hub"), world.cluster(SPOKE));
        let tenants = tenants();
        let [ours, theirs] = &tenants;
        enrolled::prepare_hub(hub).await?;
        enrolled::prepare_spoke(spoke).await?;
        let group = "system:open-cluster-management:addon:cluster-proxy";
        let rbac = "rbac.authorization.k8s.io";
        let subject = json!({"apiGroup": rbac, "kind": "Group", "name": group});
        enrolled::allow(hub, ours.cluster, &subject).await?;
        let gateway = Gateway::start(hub, GatewayOptions::default()).await?;
        let spoke_options = e2e::SpokeOptions {
            name: Some(ours.cluster.to_owned()),
            tunnelled: true,
            ..e2e::SpokeOptions::default()
        };
        gateway.register_spoke(spoke, spoke_options).await?;
        let kubeconfig = enrolled::pod_kubeconfig(spoke).await?;
        let options = AgentOptions {
            identity: Some(ours.cluster.to_owned()),
            cluster: Some(ours.cluster.to_owned()),
            args: vec![
                "--tokens".to_owned(),
                format!("--spoke-kubeconfig={}", kubeconfig.display()),
            ],
            ..AgentOptions::default()
        };
        let agent = Agent::attached(hub, spoke, options).await?;
        let upstream = UpstreamMsa::start(hub, spoke, theirs.cluster).await?;
        Ok(Self {
            agent,
            upstream,
            tenants,
            _gateway: gateway,
            world,
        })
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    pub(crate) fn spoke(&self) -> &Cluster {
        self.world.cluster(SPOKE)
    }

    pub(crate) fn tenants(&self) -> &[Tenant; 2] {
        &self.tenants
    }

    /// Both agents. The first one alternates from round to round.
    pub(crate) fn in_turn(&self, round: u32) -> [&Tenant; 2] {
        let [one, other] = &self.tenants;
        if round % 2 == 1 {
            [one, other]
        } else {
            [other, one]
        }
    }

    pub(crate) fn process(&self, stack: Stack) -> &Process {
        match stack {
            Stack::Ours => self.agent.process(),
            Stack::Upstream => self.upstream.process(),
        }
    }

    /// Waits until our agent's tunnel is up. Upstream's agent has none.
    pub(crate) async fn is_attached(&self, stack: Stack) -> anyhow::Result<()> {
        if stack.is_ours() {
            self.agent.is_attached().await?;
        }
        Ok(())
    }

    pub(crate) fn accounts(&self, tenant: &Tenant) -> Api<ManagedServiceAccount> {
        Api::namespaced(self.hub().client(), tenant.cluster)
    }

    pub(crate) fn secrets(&self, tenant: &Tenant) -> Api<Secret> {
        Api::namespaced(self.hub().client(), tenant.cluster)
    }

    pub(crate) fn service_accounts(&self, tenant: &Tenant) -> Api<ServiceAccount> {
        Api::namespaced(self.spoke().client(), tenant.namespace)
    }

    /// Creates this many accounts at once.
    pub(crate) async fn create(
        &self,
        tenant: &Tenant,
        prefix: &str,
        count: u16,
        validity: &str,
    ) -> anyhow::Result<()> {
        let accounts = self.accounts(tenant);
        let create = |number| {
            let account = account(&format!("{prefix}-{number}"), validity);
            let accounts = &accounts;
            async move {
                accounts
                    .create(&PostParams::default(), &account?)
                    .await
                    .map_err(anyhow::Error::from)
            }
        };
        let created = stream::iter(0..count).map(create).buffer_unordered(AT_ONCE);
        created.try_for_each(|_| async { Ok(()) }).await
    }

    /// Deletes every account of a tenant, and waits until all their objects are gone.
    pub(crate) async fn delete_all(&self, tenant: &Tenant) -> anyhow::Result<()> {
        let (parameters, all) = (DeleteParams::default(), ListParams::default());
        self.accounts(tenant)
            .delete_collection(&parameters, &all)
            .await?;
        self.are_revoked(tenant).await?;
        let (accounts, secrets) = (self.accounts(tenant), self.secrets(tenant));
        let gone = || async {
            let left = accounts.list_metadata(&all).await?.items.len()
                + secrets.list_metadata(&labelled()).await?.items.len();
            Ok((left == 0).then_some(()))
        };
        within(PATIENCE, POLL * 20, gone)
            .await
            .context("accounts or Secrets are left")
    }

    /// Waits until no `ServiceAccount` of an account is left on the spoke.
    pub(crate) async fn are_revoked(&self, tenant: &Tenant) -> anyhow::Result<()> {
        let accounts = self.service_accounts(tenant);
        let gone = || async {
            let left = accounts.list_metadata(&labelled()).await?.items.len();
            Ok((left == 0).then_some(()))
        };
        within(PATIENCE, POLL * 20, gone)
            .await
            .context("ServiceAccounts are left")
    }

    /// Waits until this many Secrets hold a token.
    pub(crate) async fn are_issued(&self, tenant: &Tenant, count: u16) -> anyhow::Result<()> {
        let secrets = self.secrets(tenant);
        let issued = || async {
            let found = secrets.list_metadata(&labelled()).await?.items.len();
            Ok((found >= usize::from(count)).then_some(()))
        };
        within(PATIENCE, POLL * 20, issued)
            .await
            .context("tokens are missing")
    }

    /// Waits for the token of one account.
    pub(crate) async fn token(&self, tenant: &Tenant, name: &str) -> anyhow::Result<String> {
        let secrets = self.secrets(tenant);
        let token = || async {
            let secret = secrets.get_opt(name).await?;
            let token = secret.and_then(|secret| secret.data?.remove(TOKEN_KEY));
            Ok(token.and_then(|token| String::from_utf8(token.0).ok()))
        };
        within(PATIENCE, POLL, token).await.context("no token")
    }

    /// Waits until the spoke accepts a token.
    pub(crate) async fn is_usable(&self, token: String) -> anyhow::Result<()> {
        let client: Client = self.spoke().client_with(&Credentials::Token(token));
        let works = || async {
            let request = Request::get("/api").body(Body::empty())?;
            Ok(client
                .send(request)
                .await?
                .status()
                .is_success()
                .then_some(()))
        };
        within(PATIENCE, POLL, works)
            .await
            .context("the token is refused")
    }
}

/// Longer than upstream's agent takes for any step here.
const PATIENCE: Duration = Duration::from_mins(6);

fn tenants() -> [Tenant; 2] {
    let on_hub = |cluster| format!("system:open-cluster-management:cluster:{cluster}:addon:");
    let on_spoke = "system:serviceaccount:open-cluster-management-agent-addon:spokeway-agent";
    [
        Tenant {
            stack: Stack::Ours,
            cluster: "ours",
            namespace: enrolled::TOKEN_NAMESPACE,
            users: [on_hub("ours"), on_spoke.to_owned()],
        },
        Tenant {
            stack: Stack::Upstream,
            cluster: "upstream",
            namespace: UpstreamMsa::namespace(),
            users: [on_hub("upstream"), UpstreamMsa::user_on_spoke()],
        },
    ]
}

pub(crate) fn account(name: &str, validity: &str) -> anyhow::Result<ManagedServiceAccount> {
    let spec = json!({"rotation": {"validity": validity}});
    let object = json!({"metadata": {"name": name}, "spec": spec});
    serde_json::from_value(object).context("an account of the type's own shape")
}

fn labelled() -> ListParams {
    ListParams::default().labels(&format!("{LABEL}=true"))
}

/// Asks repeatedly until there is an answer.
async fn within<T, F: Future<Output = anyhow::Result<Option<T>>>>(
    deadline: Duration,
    pause: Duration,
    mut probe: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let begin = Instant::now();
    while begin.elapsed() < deadline {
        if let Some(found) = probe().await? {
            return Ok(found);
        }
        sleep(pause).await;
    }
    anyhow::bail!("not within {deadline:?}")
}
