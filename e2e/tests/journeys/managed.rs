//! The managed cluster as a hub admin uses it: with the hub's kubeconfig and the proxy's path
//! appended to its server. Tests can also use the spoke directly, to write and to check without the
//! gateway.

use std::path::{Path, PathBuf};

use e2e::{Cluster, Gateway, Kubectl, SharedGateway};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, Client, Config,
    api::{ObjectMeta, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};

use serde_json::json;

use crate::proxy;

/// `managed1` behind the shared gateway, and a namespace of the test's own on it.
pub(crate) struct Managed {
    pub(crate) gateway: SharedGateway,
    namespace: String,
    kubeconfig: PathBuf,
}

impl Managed {
    pub(crate) async fn with_namespace(namespace: &str) -> Self {
        let gateway = Gateway::shared().await;
        let kubeconfig = edited_kubeconfig(gateway.hub(), "managed1", namespace);
        let managed = Self {
            gateway,
            namespace: namespace.to_owned(),
            kubeconfig,
        };
        create_namespace(managed.spoke().client(), namespace).await;
        managed
    }

    pub(crate) fn hub(&self) -> &Cluster {
        self.gateway.hub()
    }

    pub(crate) fn spoke(&self) -> &Cluster {
        self.gateway.world.cluster("managed1")
    }

    /// kubectl through the hub and the gateway, in the test's namespace.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Kubectl {
        let args = [&["--namespace", &self.namespace], args].concat();
        self.hub().kubectl_with(&self.kubeconfig, &args)
    }

    /// kubectl directly at the spoke, in the test's namespace.
    pub(crate) fn directly(&self, args: &[&str]) -> Kubectl {
        let args = [&["--namespace", &self.namespace], args].concat();
        self.spoke().kubectl(&args)
    }

    /// The `ConfigMap`s of the test, directly at the spoke.
    pub(crate) fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.spoke().client(), &self.namespace)
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }
}

/// Writes the hub admin's kubeconfig with the proxy's path appended to its server. `journey` keeps
/// the files apart.
pub(crate) fn edited_kubeconfig(hub: &Cluster, cluster: &str, journey: &str) -> PathBuf {
    let server = format!("{}{}", hub.url(), proxy(cluster, ""));
    let file = format!("{cluster}-{journey}.kubeconfig");
    hub.write_kubeconfig(&file, &server, &hub.ca_pem(), hub.admin())
        .unwrap()
}

/// kube's client with a kubeconfig.
pub(crate) async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Client::try_from(config.unwrap()).unwrap()
}

pub(crate) async fn create_namespace(client: Client, name: &str) {
    let namespace = Namespace {
        metadata: named(name),
        ..Namespace::default()
    };
    let namespaces = Api::<Namespace>::all(client);
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .unwrap();
}

/// A ConfigMap with one value.
pub(crate) fn config_map(name: &str, value: &str) -> ConfigMap {
    ConfigMap {
        metadata: named(name),
        data: Some([("value".to_owned(), value.to_owned())].into()),
        ..ConfigMap::default()
    }
}

/// The value of such a ConfigMap.
pub(crate) fn value(map: &ConfigMap) -> &str {
    &map.data.as_ref().unwrap()["value"]
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

/// Lets a hub user read managed clusters.
pub(crate) async fn permit(hub: &Cluster, user: &str) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": user},
        "rules": [{
            "apiGroups": ["cluster.core.oam.dev"], "resources": ["clustergateways/proxy"],
            "verbs": ["get"],
        }],
    });
    let create = hub.kubectl(&["create", "-f", "-"]).stdin(role.to_string());
    create.ok().await.unwrap();
    let (name, role, user) = (
        format!("read-{user}"),
        format!("--clusterrole={user}"),
        format!("--user={user}"),
    );
    let args = ["create", "clusterrolebinding", &name, &role, &user];
    hub.kubectl(&args).ok().await.unwrap();
}
