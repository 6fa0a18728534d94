//! Open Cluster Management's `ClusterPermission` beside grants. Its controller is not available as
//! a Go module, so the test plays its part: it reads the namespace of the add-on's accounts in the
//! older of the two APIs, checks that the account exists, and writes one `ManifestWork` that binds
//! it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::Credentials;
use serde_json::{Value, json};

use super::{
    hub::{kubectl, read, soon},
    stage::Stage,
};

const ACCOUNT: &str = "auditor";

/// An account that a `ClusterPermission` names has the rights of that permission, and loses them
/// with it.
pub(crate) async fn works_unchanged(stage: &Stage, cluster: &str) {
    let account = json!({
        "apiVersion": "authentication.open-cluster-management.io/v1beta1", "kind": "ManagedServiceAccount",
        "metadata": {"namespace": cluster, "name": ACCOUNT}, "spec": {"rotation": {}},
    });
    stage.apply(&account.to_string()).await;
    let row = "managedclusteraddons.v1alpha1.addon.open-cluster-management.io";
    let row = [row, "managed-serviceaccount"];
    let namespace = field(stage, &row, cluster, "/status/namespace");
    let namespace = namespace.await.unwrap();
    let token = ["secret", ACCOUNT];
    let token = soon("a token", || field(stage, &token, cluster, "/data/token")).await;
    let token = String::from_utf8(STANDARD.decode(token).unwrap()).unwrap();
    let spoke = stage.world.cluster(cluster);
    let (ca, token) = (spoke.ca_pem(), Credentials::Token(token));
    let auditor = spoke.write_kubeconfig("auditor.kubeconfig", spoke.url(), &ca, &token);
    let auditor = auditor.unwrap();
    let list = || async {
        let list = spoke.kubectl_with(&auditor, &["get", "nodes", "-o", "name"]);
        list.ok().await.map_err(|error| error.to_string())
    };
    let refused = list().await.unwrap_err();
    assert!(
        refused.contains("cannot list resource \"nodes\""),
        "{refused}"
    );

    stage.apply(&work(cluster, &namespace).to_string()).await;
    soon("the account has its rights", list).await;
    let delete = ["delete", "manifestwork", "-n", cluster, "auditor-1a2b3"];
    stage.kubectl(&delete).await.unwrap();
    let refused = list().await.unwrap_err();
    assert!(
        refused.contains("cannot list resource \"nodes\""),
        "{refused}"
    );
    let delete = ["delete", "managedserviceaccount", "-n", cluster, ACCOUNT];
    stage.kubectl(&delete).await.unwrap();
    let left = ["get", "serviceaccount", "-n", &namespace, "-o", "name"];
    let gone = || async {
        let left = kubectl(spoke, &left).await?;
        if left.contains(ACCOUNT) {
            Err(left)
        } else {
            Ok(())
        }
    };
    soon("the account is gone", gone).await;
}

/// Waits for a text in an object and returns it.
async fn field(
    stage: &Stage,
    object: &[&str; 2],
    cluster: &str,
    path: &str,
) -> Result<String, String> {
    let object = read(stage.hub(), &[&object[..], &["-n", cluster]].concat()).await?;
    let text = object.pointer(path).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| format!("{path} is not there: {}", object["status"]))
}

/// The `ManifestWork` with the name and content that the controller uses.
fn work(cluster: &str, namespace: &str) -> Value {
    let (group, version) = ("rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1");
    let role = json!({
        "apiVersion": version, "kind": "ClusterRole", "metadata": {"name": ACCOUNT},
        "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}],
    });
    let binding = json!({
        "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": ACCOUNT},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": ACCOUNT},
        "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": ACCOUNT}],
    });
    json!({
        "apiVersion": "work.open-cluster-management.io/v1", "kind": "ManifestWork",
        "metadata": {"namespace": cluster, "name": "auditor-1a2b3"},
        "spec": {"workload": {"manifests": [role, binding]}},
    })
}
