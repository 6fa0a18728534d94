//! A hub with grants and Open Cluster Management's kinds, and a gateway that serves `managed1`.
//! `managed2` is a managed cluster, too, but the gateway cannot reach it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use e2e::{
    Cluster, Gateway, GatewayOptions, Kubectl, Operator, SpokeOptions, World, eventually,
    our_program,
    programs::{OCM, Programs},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub(crate) const SOON: Duration = Duration::from_secs(30);
const KINDS: [&str; 4] = [
    "0000_00_clusters.open-cluster-management.io_managedclusters.crd.yaml",
    "0000_00_clusters.open-cluster-management.io_managedclustersets.crd.yaml",
    "0000_01_clusters.open-cluster-management.io_managedclustersetbindings.crd.yaml",
    "0000_03_clusters.open-cluster-management.io_placementdecisions.crd.yaml",
];

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) gateway: Gateway,
    /// The directory where kubectl looks for plugins.
    path: String,
}

impl Stage {
    pub(crate) async fn shared() -> &'static Self {
        static STAGE: OnceCell<Stage> = OnceCell::const_new();
        STAGE.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let world = World::builder().cluster("hub").cluster("managed1");
        let world = world.start().await.unwrap();
        let hub = world.cluster("hub");
        let ocm = Programs::ensure(&[&OCM]).unwrap();
        for kind in KINDS {
            let path = ocm.manifests("ocm-hub-crds").join(kind);
            let path = path.display().to_string();
            let apply = ["apply", "--server-side", "-f", &path];
            hub.kubectl(&apply).ok().await.unwrap();
        }
        Operator::install(hub).await.unwrap();
        let options = GatewayOptions {
            args: vec!["--direct-access".to_owned()],
            ..GatewayOptions::default()
        };
        let gateway = Gateway::start(hub, options).await.unwrap();
        let spoke = world.cluster("managed1");
        gateway
            .register_spoke(spoke, SpokeOptions::default())
            .await
            .unwrap();
        let plugin = our_program("kubectl-gateway").unwrap();
        let directory = plugin.parent().unwrap().display().to_string();
        let stage = Self {
            path: format!("{directory}:/usr/bin:/bin"),
            gateway,
            world,
        };
        for (name, env) in [("managed1", "prod"), ("managed2", "test")] {
            stage
                .apply(&json!({
                    "apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
                    "metadata": {"name": name, "labels": {"env": env}},
                    "spec": {"hubAcceptsClient": true},
                }))
                .await;
        }
        stage
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.world.cluster("hub")
    }

    /// `kubectl gateway …` as the hub's admin.
    pub(crate) fn plugin(&self, args: &[&str]) -> Kubectl {
        self.plugin_with(&self.hub().kubeconfig_path(), args)
    }

    /// `kubectl gateway …` as another user.
    pub(crate) fn plugin_with(&self, kubeconfig: &Path, args: &[&str]) -> Kubectl {
        let args = [&["gateway"], args].concat();
        let kubectl = self.hub().kubectl_with(kubeconfig, &args);
        kubectl.env("PATH", &self.path)
    }

    /// The kubeconfig of a user of the hub.
    pub(crate) fn user(&self, name: &str) -> PathBuf {
        let hub = self.hub();
        let credentials = hub.certificate_of(name, &[]).unwrap();
        let file = format!("{name}.kubeconfig");
        hub.write_kubeconfig(&file, hub.url(), &hub.ca_pem(), &credentials)
            .unwrap()
    }

    /// Gives a user these RBAC rules on the hub.
    pub(crate) async fn may(&self, user: &str, rules: Value) {
        let group = "rbac.authorization.k8s.io";
        let (role, subject) = (
            json!({"apiGroup": group, "kind": "ClusterRole", "name": user}),
            json!({"apiGroup": group, "kind": "User", "name": user}),
        );
        let version = format!("{group}/v1");
        let meta = json!({"name": user});
        self.apply(&json!({
            "apiVersion": version, "kind": "ClusterRole", "metadata": meta, "rules": rules,
        }))
        .await;
        self.apply(&json!({
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": meta,
            "roleRef": role, "subjects": [subject],
        }))
        .await;
    }

    pub(crate) async fn apply(&self, object: &Value) {
        let apply = self.hub().kubectl(&["apply", "-f", "-"]);
        apply.stdin(object.to_string()).ok().await.unwrap();
    }

    /// Writes an object's status as a controller would.
    pub(crate) async fn status(&self, object: &[&str], status: &Value) {
        let patch = json!({"status": status}).to_string();
        let patch = ["--subresource=status", "--type=merge", "-p", &patch];
        let args = [&["patch"], object, &patch[..]].concat();
        self.hub().kubectl(&args).ok().await.unwrap();
    }

    /// Waits for the grant, and writes its status on clusters as the operator would.
    pub(crate) async fn carried_out(&self, grant: &str, states: &[(&str, &str, &str)]) {
        let generation = [
            "get",
            "accessgrant",
            grant,
            "-o",
            "jsonpath={.metadata.generation}",
        ];
        let generation = eventually(SOON, grant, || async {
            let get = self.hub().kubectl(&generation).ok().await;
            get.map_err(|error| error.to_string())
        });
        let generation: i64 = generation.await.unwrap().parse().unwrap();
        let on_clusters = states.iter().map(|(name, state, reason)| {
            json!({
                "name": name, "state": state, "reason": reason, "message": "",
                "since": "2026-01-01T00:00:00Z",
            })
        });
        let on_clusters: Vec<_> = on_clusters.collect();
        let said = json!({"observedGeneration": generation, "clusterStates": on_clusters});
        self.status(&["accessgrant", grant], &said).await;
    }
}

/// The options of a grant, which by default gives a user `view` on `managed1`.
pub(crate) fn grant(name: &str, user: &str, more: &Value) -> Value {
    let mut grant = json!({
        "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
        "metadata": {"name": name},
        "spec": {
            "clusters": {"names": ["managed1"]},
            "subjects": [{"kind": "User", "name": user}],
            "role": {"clusterRole": "view"},
        },
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        grant["spec"][field] = value.clone();
    }
    grant
}

/// The lines that contain it, with single spaces.
pub(crate) fn about(text: &str, word: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.contains(word));
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    words.collect()
}
