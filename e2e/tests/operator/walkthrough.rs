//! The walkthrough: from one object to kubectl on every managed cluster.

use e2e::{eventually, ocm::KlusterletOptions};
use serde_json::json;
use tokio::time::Instant;

use super::{
    hub::{AVAILABLE_WITHIN, soon, tell},
    stage::Stage,
};

const FORBIDDEN: &str = r#"User "system:serviceaccount:open-cluster-management-managed-serviceaccount:cluster-gateway" cannot list resource "namespaces" in API group "" at the cluster scope"#;

#[tokio::test]
async fn one_object_makes_every_cluster_reachable() {
    let stage = Stage::set(&[("managed1", KlusterletOptions::default())], &[]).await;
    let begin = Instant::now();
    stage.configure(&json!({})).await;

    soon("healthz", || stage.through("managed1", "/healthz")).await;
    tell(&format!("reachable after {:.1?}", begin.elapsed()));
    let shown = stage
        .kubectl(&["get", "clustergateway", "--no-headers"])
        .await
        .unwrap();
    assert!(
        shown.contains("ServiceAccountToken") && shown.contains("ClusterProxy"),
        "{shown}"
    );
    let refused = stage
        .through("managed1", "/api/v1/namespaces")
        .await
        .unwrap_err();
    assert!(refused.contains(FORBIDDEN), "{refused}");

    grant(&stage).await;
    let listed = soon("namespaces", || {
        stage.through("managed1", "/api/v1/namespaces")
    })
    .await;
    assert!(listed.contains("NamespaceList"), "{listed}");

    let available = || async {
        let rows = stage.rows().await;
        let all = rows.len() == 3 && rows.values().all(|available| available == "True");
        if all {
            Ok(())
        } else {
            Err(format!("{rows:?}"))
        }
    };
    eventually(AVAILABLE_WITHIN, "three add-ons are available", available)
        .await
        .unwrap();
    tell(&format!("add-ons available after {:.1?}", begin.elapsed()));
    listed_and_waited_for(&stage).await;
    a_deselected_cluster_leaves_the_list(&stage).await;
}

async fn listed_and_waited_for(stage: &Stage) {
    let ready = [
        "wait",
        "--for=condition=Ready",
        "clustergateway/managed1",
        "--timeout=20s",
    ];
    stage.kubectl(&ready).await.unwrap();
    let wide = ["get", "cgw", "-o", "wide", "--no-headers", "--chunk-size=1"];
    let wide = stage.kubectl(&wide).await.unwrap();
    let row: Vec<_> = wide.split_whitespace().collect();
    assert_eq!((row[0], row.last()), ("managed1", Some(&"now")), "{wide}");
    assert!(wide.contains(" v1."), "{wide}");
    let ours = ["get", "spokeway", "-o", "name"];
    let ours = stage.kubectl(&ours).await.unwrap();
    for name in [
        "clustergateway.cluster.core.oam.dev/managed1",
        "gatewayconfiguration.gateway.open-cluster-management.io/default",
    ] {
        assert!(ours.contains(name), "{ours}");
    }
}

async fn a_deselected_cluster_leaves_the_list(stage: &Stage) {
    let nobody = json!({"clusters": {"selector": {"matchLabels": {"env": "none"}}}});
    stage.configure(&nobody).await;
    let gone = || async {
        let list = ["get", "clustergateways", "-o", "name"];
        match stage.kubectl(&list).await {
            Ok(list) if list.trim().is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    soon("it is not listed", gone).await;
    let said = stage.through("managed1", "/healthz").await.unwrap_err();
    assert!(said.contains("GatewayConfiguration selects it"), "{said}");
}

/// Rights for the gateway's account, by a plain `ManifestWork`.
async fn grant(stage: &Stage) {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "gateway-view"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{
            "kind": "ServiceAccount", "name": "cluster-gateway",
            "namespace": "open-cluster-management-managed-serviceaccount",
        }],
    });
    let work = json!({
        "apiVersion": "work.open-cluster-management.io/v1", "kind": "ManifestWork",
        "metadata": {"name": "gateway-view", "namespace": "managed1"},
        "spec": {"workload": {"manifests": [binding]}},
    });
    stage.apply(&work.to_string()).await;
}
