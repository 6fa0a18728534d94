//! What a hub admin types after the installation, line by line, and what is printed.

use std::fs;

use e2e::eventually;
use kube::config::Kubeconfig;
use serde_json::json;

use super::{SOON, SPOKE, Stage};

/// OCM checks leases every 30 s.
const AVAILABLE_WITHIN: std::time::Duration = std::time::Duration::from_mins(2);
const ROWS: &str = "\
managed1 cluster-gateway True
managed1 cluster-proxy True
managed1 managed-serviceaccount True";
const FORBIDDEN: &str = "Error from server (Forbidden): namespaces is forbidden: \
    User \"system:serviceaccount:open-cluster-management-managed-serviceaccount:cluster-gateway\" cannot \
    list resource \"namespaces\" in API group \"\" at the cluster scope";

pub(super) async fn walk(stage: &Stage) {
    let rows = || async {
        let table = stage.on_hub(&["get", "managedclusteraddon", "-A"]).await?;
        let rows = words(&table, 3);
        let (head, rows) = rows.split_once('\n').unwrap_or_default();
        if head == "NAMESPACE NAME AVAILABLE" && rows == ROWS {
            Ok(())
        } else {
            Err(table)
        }
    };
    let rows = eventually(AVAILABLE_WITHIN, "three rows are True", rows);
    rows.await.unwrap();
    let table = stage.on_hub(&["get", "clustergateway"]).await.unwrap();
    let shown = "NAME PROVIDER CREDENTIAL-TYPE ENDPOINT-TYPE";
    assert_eq!(words(&table, 4).lines().next(), Some(shown), "{table}");
    // The column of the provider is empty.
    let row = words(table.lines().nth(1).unwrap_or_default(), 3);
    assert_eq!(row, "managed1 ServiceAccountToken ClusterProxy", "{table}");

    let tweaked = tweaked(stage);
    let namespaces = || async {
        let kubectl = stage.world.cluster("hub");
        let kubectl = kubectl.kubectl_with(&tweaked, &["get", "ns"]);
        kubectl.ok().await.map_err(|error| error.to_string())
    };
    let refused = namespaces().await.unwrap_err();
    assert!(refused.contains(FORBIDDEN), "{refused}");
    grant(stage).await;
    let listed = eventually(SOON, "namespaces of the managed cluster", namespaces).await;
    let listed = listed.unwrap();
    assert!(
        listed.contains("open-cluster-management-agent-addon"),
        "{listed}"
    );
}

/// The first word of each line.
fn words(table: &str, count: usize) -> String {
    let line = |line: &str| {
        line.split_whitespace()
            .take(count)
            .collect::<Vec<_>>()
            .join(" ")
    };
    table.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The hub's kubeconfig with the proxy's path appended to its server.
fn tweaked(stage: &Stage) -> std::path::PathBuf {
    let hub = stage.world.cluster("hub");
    let own = Kubeconfig::read_from(hub.kubeconfig_path()).unwrap();
    let server = own.clusters[0]
        .cluster
        .as_ref()
        .unwrap()
        .server
        .clone()
        .unwrap();
    let proxy =
        format!("{server}/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{SPOKE}/proxy");
    let text = fs::read_to_string(hub.kubeconfig_path()).unwrap();
    let path = stage.world.directory().join("managed1.kubeconfig");
    fs::write(&path, text.replace(&server, &proxy)).unwrap();
    path
}

/// Rights for the gateway's account, by a plain `ManifestWork`.
async fn grant(stage: &Stage) {
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding",
        "metadata": {"name": "gateway-view"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "view"},
        "subjects": [{
            "kind": "ServiceAccount", "name": "cluster-gateway",
            "namespace": "open-cluster-management-managed-serviceaccount",
        }],
    });
    let work = json!({
        "apiVersion": "work.open-cluster-management.io/v1", "kind": "ManifestWork",
        "metadata": {"name": "gateway-view", "namespace": SPOKE},
        "spec": {"workload": {"manifests": [binding]}},
    });
    let hub = stage.world.cluster("hub");
    let apply = hub.kubectl(&["apply", "-f", "-"]).stdin(work.to_string());
    apply.ok().await.unwrap();
}
