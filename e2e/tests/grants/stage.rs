//! A hub, a spoke with an audit log, and two gateways, as many as are shipped, that act for their
//! callers.

use std::{fs, path::PathBuf, time::Duration};

use crds::gateway::{ACCESS_RECORD as RECORD, AccessGrant, GatewayConfiguration};
use e2e::{
    Cluster, Credentials, GatewayOptions, Kubectl, Metrics, Replicas, SpokeOptions, World,
    eventually,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) const SOON: Duration = Duration::from_secs(15);
/// The gateway's account on the spoke.
pub(crate) const ACCOUNT: &str = "system:serviceaccount:spokeway-system:impersonator";
/// The users that it may impersonate there: the subjects of all tests, and nobody else.
const USERS: &[&str] = &[
    "cluster:hub:group-member",
    "hub:alice",
    "hub:capped",
    "hub:door",
    "hub:edited",
    "hub:moved",
    "hub:short",
    "hub:system:serviceaccount:ci:bot",
    "hub:target",
    "hub:watcher",
];

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) replicas: Replicas,
}

/// A user of the hub, on the spoke.
pub(crate) struct Caller<'a> {
    stage: &'a Stage,
    kubeconfig: PathBuf,
}

impl Stage {
    pub(crate) async fn shared() -> &'static Self {
        static STAGE: OnceCell<Stage> = OnceCell::const_new();
        STAGE.get_or_init(Self::start).await
    }

    /// A stage of its own, for a test that changes what others rely on.
    pub(crate) async fn start() -> Self {
        let world = World::builder()
            .cluster("hub")
            .cluster("managed1")
            .audited();
        let world = world.start().await.unwrap();
        let options = GatewayOptions::default();
        // They start and become ready on a hub that does not have the kind yet.
        let replicas = Replicas::start(world.cluster("hub"), &options, 2).await;
        let replicas = replicas.unwrap();
        let stage = Self { world, replicas };
        stage.define().await;
        stage.let_impersonate().await;
        stage.was_used().await;
        stage
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    pub(crate) fn spoke(&self) -> &Cluster {
        self.world.cluster("managed1")
    }

    pub(crate) fn grants(&self) -> Api<AccessGrant> {
        Api::all(self.hub().client())
    }

    /// Applies the CRDs to the hub, and lets all its users use the gateway.
    async fn define(&self) {
        let definitions = Api::<CustomResourceDefinition>::all(self.hub().client());
        for definition in [crds::gateway::grant_crd(), crds::gateway::crd()] {
            let created = definitions
                .create(&PostParams::default(), &definition)
                .await;
            created.unwrap();
        }
        let grants = self.grants();
        eventually(SOON, "AccessGrants are served", || async {
            grants
                .list(&ListParams::default())
                .await
                .map_err(|it| it.to_string())
        })
        .await
        .unwrap();
        let rules = json!([{
            "apiGroups": ["cluster.core.oam.dev"], "resources": ["clustergateways/proxy"], "verbs": ["*"],
        }]);
        role(self.hub(), "use-the-gateway", &rules).await;
        let everybody = "--group=system:authenticated";
        bind(self.hub(), "use-the-gateway", "use-the-gateway", everybody).await;
    }

    /// Registers the spoke in manual mode, with an account that may only impersonate others.
    async fn let_impersonate(&self) {
        let spoke = self.spoke();
        let rules = json!([
            {"apiGroups": [""], "resources": ["users"], "resourceNames": USERS, "verbs": ["impersonate"]},
            {
                "apiGroups": ["authentication.k8s.io"],
                "resources": [format!("userextras/{}", crds::gateway::USER_EXTRA)],
                "verbs": ["impersonate"],
            },
        ]);
        role(spoke, "impersonator", &rules).await;
        let account = "--serviceaccount=spokeway-system:impersonator";
        bind(spoke, "impersonator", "impersonator", account).await;
        let token = spoke.service_account_token("spokeway-system", "impersonator", SOON * 240);
        let options = SpokeOptions {
            credentials: Some(Credentials::Token(token.await.unwrap())),
            ..SpokeOptions::default()
        };
        let first = &self.replicas.each()[0];
        first.register_spoke(spoke, options).await.unwrap();
    }

    /// A user of the hub, by certificate.
    pub(crate) fn user(&self, name: &str, groups: &[&str]) -> Caller<'_> {
        let certificate = self.hub().certificate_of(name, groups).unwrap();
        self.caller(name, &certificate)
    }

    /// Any user of the hub.
    pub(crate) fn caller(&self, name: &str, credentials: &Credentials) -> Caller<'_> {
        let hub = self.hub();
        let server = format!("{}{}", hub.url(), proxy(""));
        let file = format!("through-{name}.kubeconfig");
        let written = hub.write_kubeconfig(&file, &server, &hub.ca_pem(), credentials);
        Caller {
            stage: self,
            kubeconfig: written.unwrap(),
        }
    }

    /// A grant without a status.
    pub(crate) async fn grant(&self, name: &str, subject: Value, expires_after: Option<&str>) {
        let grant = json!({
            "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
            "metadata": {"name": name},
            "spec": {
                "clusters": {"selector": {}},
                "subjects": [subject],
                "role": {"clusterRole": "view"},
                "expiresAfter": expires_after,
            },
        });
        self.create(&grant).await;
    }

    pub(crate) async fn create(&self, grant: &Value) {
        let grant = serde_json::from_value(grant.clone()).unwrap();
        let created = self.grants().create(&PostParams::default(), &grant).await;
        created.unwrap();
    }

    /// Changes these fields of a grant's spec.
    pub(crate) async fn change(&self, name: &str, spec: &Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        let grants = self.grants();
        let patched = grants.patch(name, &PatchParams::default(), &patch).await;
        patched.unwrap();
    }

    /// Writes the status of a grant on the spoke, as the operator does.
    pub(crate) async fn says(&self, name: &str, state: &str, reason: &str) {
        let grants = self.grants();
        let generation = grants.get(name).await.unwrap().metadata.generation;
        let state = json!({
            "name": "managed1", "state": state, "since": "2026-01-01T00:00:00Z",
            "reason": reason, "message": "said by a test",
        });
        let status = json!({"status": {
            "observedGeneration": generation, "clusters": {}, "conditions": [], "clusterStates": [state],
        }});
        let patched = grants
            .patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
            .await;
        patched.unwrap();
    }

    /// Lets nothing be granted but these roles.
    pub(crate) async fn cap(&self, roles: &[&str]) {
        let configuration = json!({
            "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "GatewayConfiguration",
            "metadata": {"name": "default"}, "spec": {"access": {"caps": [{"clusterRoles": roles}]}},
        });
        let configuration = serde_json::from_value(configuration).unwrap();
        let all = Api::<GatewayConfiguration>::all(self.hub().client());
        let created = all.create(&PostParams::default(), &configuration).await;
        created.unwrap();
    }

    /// Creates a grant and applies it to the spoke.
    pub(crate) async fn apply(&self, name: &str, subject: Value) {
        self.grant(name, subject, None).await;
        self.ship(name).await;
    }

    /// Applies the present version of a grant to the spoke, beside what it allowed before, and says
    /// so.
    pub(crate) async fn ship(&self, name: &str) {
        let grant = self.grants().get(name).await.unwrap();
        let (spoke, group, role) = (self.spoke(), grant.group(), grant.spec.role.cluster_role);
        let object = format!("{name}-{}", grant.metadata.generation.unwrap());
        let flag = format!("--group={group}");
        bind(spoke, &object, &role.unwrap(), &flag).await;
        let rules = json!([{
            "apiGroups": [""], "resources": ["groups"], "resourceNames": [group], "verbs": ["impersonate"],
        }]);
        let impersonate = format!("impersonate-{object}");
        self::role(spoke, &impersonate, &rules).await;
        let account = "--serviceaccount=spokeway-system:impersonator";
        bind(spoke, &impersonate, &impersonate, account).await;
        self.says(name, "Applied", "").await;
    }

    /// The group that a grant has on the spoke.
    pub(crate) async fn group_of(&self, grant: &str) -> String {
        self.grants().get(grant).await.unwrap().group()
    }

    /// Records that a grant was used on the spoke, as the operator does before the first one.
    async fn was_used(&self) {
        for (kind, flags) in [
            ("namespace", ["managed1", ""]),
            ("configmap", [RECORD, "-n=managed1"]),
        ] {
            let flags = flags.into_iter().filter(|it| !it.is_empty());
            let create: Vec<_> = ["create", kind].into_iter().chain(flags).collect();
            self.hub().kubectl(&create).ok().await.unwrap();
        }
    }

    pub(crate) async fn revoke(&self, name: &str) {
        let deleted = self.grants().delete(name, &DeleteParams::default()).await;
        deleted.unwrap();
    }

    /// The number of streams that the gateways have cut because their caller's access had ended.
    pub(crate) async fn streams_cut(&self) -> u64 {
        let mut cut = 0;
        for gateway in self.replicas.each() {
            let metrics = Metrics::of_gateway(gateway).await.unwrap();
            cut += metrics.sum("gateway_streams_cut_total", &[]);
        }
        cut
    }

    /// The line of the spoke's audit log for a request with this text in its URI.
    pub(crate) async fn audited(&self, words: &str) -> Value {
        let log = self.spoke().audit_log();
        let found = || async {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            let mut lines = lines.filter(|line: &Value| {
                line["requestURI"]
                    .as_str()
                    .is_some_and(|uri| uri.contains(words))
            });
            lines.next_back().ok_or("no such line")
        };
        eventually(SOON, words, found).await.unwrap()
    }
}

impl Caller<'_> {
    /// kubectl on the spoke, through the hub and the gateway.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Kubectl {
        self.stage.hub().kubectl_with(&self.kubeconfig, args)
    }

    /// Runs kubectl until it prints this text, and returns its whole output.
    pub(crate) async fn hears(&self, args: &[&str], words: &str) -> String {
        let hears = || async {
            let output = self.kubectl(args).run().await.unwrap();
            let said = format!("{}{}", output.stdout, output.stderr);
            if said.contains(words) {
                Ok(said)
            } else {
                Err(said)
            }
        };
        eventually(SOON, words, hears).await.unwrap()
    }
}

/// A path of the spoke's API as the hub serves it.
pub(crate) fn proxy(tail: &str) -> String {
    format!("/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy{tail}")
}

pub(crate) async fn role(cluster: &Cluster, name: &str, rules: &Value) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name}, "rules": rules,
    });
    let create = cluster
        .kubectl(&["create", "-f", "-"])
        .stdin(role.to_string());
    create.ok().await.unwrap();
}

/// Gives a user a role in the whole cluster.
pub(crate) async fn bind(cluster: &Cluster, name: &str, role: &str, who: &str) {
    let role = format!("--clusterrole={role}");
    let create = ["create", "clusterrolebinding", name, &role, who];
    cluster.kubectl(&create).ok().await.unwrap();
}
