//! The hub's RBAC decides what callers may do inside managed clusters, if that is asked for.

use e2e::{Cluster, Gateway, GatewayOptions, eventually};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;

use crate::{
    SOON,
    door::{Caller, Door},
    proxy,
};

const READER: Caller = Caller::User("inner-reader");
const RBAC: &str = "rbac.authorization.k8s.io";
/// The hub is asked again every 10 s.
const CUT_WITHIN: std::time::Duration = std::time::Duration::from_secs(40);

/// Paths on the managed cluster, and what the reader of pods gets.
const ANSWERS: &[(&str, StatusCode)] = &[
    ("/version", StatusCode::OK),
    ("/apis/apps/v1", StatusCode::OK),
    ("/openapi/v2", StatusCode::OK),
    ("/api/v1/namespaces/default/pods/p", StatusCode::NOT_FOUND),
    ("/metrics", StatusCode::FORBIDDEN),
    ("/api/v1/secrets", StatusCode::FORBIDDEN),
    ("/apis/apps/v1/deployments", StatusCode::FORBIDDEN),
    (
        "/api/v1/namespaces/default/pods/p/log",
        StatusCode::FORBIDDEN,
    ),
    // As a WebSocket client asks, and with an encoded slash.
    (
        "/api/v1/namespaces/default/pods/p/exec?command=sh",
        StatusCode::FORBIDDEN,
    ),
    (
        "/api/v1/namespaces/default/pods/p%2Fexec?command=sh",
        StatusCode::FORBIDDEN,
    ),
    // By a RoleBinding in the hub's namespace of that name.
    ("/api/v1/namespaces/kube-public/configmaps", StatusCode::OK),
    (
        "/api/v1/namespaces/default/configmaps",
        StatusCode::FORBIDDEN,
    ),
    ("/api/v1/configmaps", StatusCode::FORBIDDEN),
    // By the name of the object.
    (
        "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
        StatusCode::OK,
    ),
];

#[tokio::test]
async fn who_may_read_pods_on_every_cluster_may_exec_nowhere() {
    let shared = Gateway::shared().await;
    let hub = shared.hub();
    let options = GatewayOptions {
        args: vec!["--inner-authorization".to_owned()],
        ..GatewayOptions::default()
    };
    let gateway = Gateway::unregistered(hub, options).await.unwrap();
    let door = Door::open(&gateway).await;
    permit(hub).await;
    let code = async |path: &str| door.get_as(READER, &proxy("managed1", path)).await;
    let seen = || async {
        let (code, body) = code("/api/v1/pods").await;
        if code == StatusCode::OK {
            Ok(())
        } else {
            Err(body)
        }
    };
    eventually(SOON, "the right to list pods", seen)
        .await
        .unwrap();

    for (path, wanted) in ANSWERS {
        let (code, body) = code(path).await;
        assert_eq!(code, *wanted, "{path}: {body}");
    }
    let path = proxy(
        "managed1",
        "/api/v1/namespaces/default/pods/p/exec?command=sh",
    );
    let refused = door
        .send(READER, Method::POST, &path, Vec::new())
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let refused = refused.into_body().collect().await.unwrap().to_bytes();
    let refused = String::from_utf8_lossy(&refused);
    assert!(
        refused.contains("create clustergateways/pods/exec"),
        "{refused}"
    );

    // A watch that is open ends when the right to it does, although the right to the proxy stays.
    let path = proxy("managed1", "/api/v1/pods?watch=1");
    let watch = door
        .send(READER, Method::GET, &path, Vec::new())
        .await
        .unwrap();
    assert_eq!(watch.status(), StatusCode::OK);
    let unbind = ["delete", "clusterrolebinding", "inner-reads-pods"];
    hub.kubectl(&unbind).ok().await.unwrap();
    let ended = tokio::time::timeout(CUT_WITHIN, watch.into_body().collect());
    drop(ended.await.expect("the watch ends"));
    let (code, body) = code("/version").await;
    assert_eq!(code, StatusCode::OK, "{body}");
}

async fn permit(hub: &Cluster) {
    let may = |resource: &str, verbs: &[&str], names: &[&str]| {
        json!({
            "apiGroups": ["cluster.core.oam.dev"], "resources": [format!("clustergateways/{resource}")],
            "verbs": verbs, "resourceNames": names,
        })
    };
    let role = |name: &str, rules: serde_json::Value| {
        json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules,
        })
    };
    let binding = |name: &str, kind: &str, namespace: Option<&str>| {
        json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "inner-reader"}],
        })
    };
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        role("inner-uses-proxy", json!([
            may("proxy", &["get", "create"], &[]),
            may("configmaps", &["get"], &["managed1/kube-root-ca.crt"]),
        ])),
        binding("inner-uses-proxy", "ClusterRoleBinding", None),
        role("inner-reads-pods", json!([may("pods", &["get", "list", "watch"], &[])])),
        binding("inner-reads-pods", "ClusterRoleBinding", None),
        role("inner-reads-maps", json!([may("configmaps", &["get", "list"], &["managed1"])])),
        binding("inner-reads-maps", "RoleBinding", Some("kube-public")),
    ]});
    let apply = hub
        .kubectl(&["apply", "-f", "-"])
        .stdin(objects.to_string());
    apply.ok().await.unwrap();
}
