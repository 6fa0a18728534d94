//! kubectl changes a managed cluster through the hub. The changes are read back directly from the
//! spoke.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;

use crate::managed::{Managed, config_map, value};

fn manifest(name: &str, value: &str) -> String {
    serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name}, "data": {"value": value},
    })
    .to_string()
}

async fn stored(managed: &Managed, name: &str) -> ConfigMap {
    managed.config_maps().get(name).await.unwrap()
}

#[tokio::test]
async fn kubectl_creates_applies_and_deletes() {
    let managed = Managed::with_namespace("writes").await;
    let created = managed.kubectl(&["create", "configmap", "made", "--from-literal=value=first"]);
    assert_eq!(created.ok().await.unwrap(), "configmap/made created\n");
    assert_eq!(value(&stored(&managed, "made").await), "first");

    let again = managed.kubectl(&["create", "configmap", "made"]).run();
    let refused = again.await.unwrap();
    assert!(!refused.status.success());
    assert!(refused.stderr.contains("already exists"), "{refused}");

    for (value_, said) in [
        ("one", "created"),
        ("two", "configured"),
        ("two", "unchanged"),
    ] {
        let apply = managed.kubectl(&["apply", "-f", "-"]);
        let answer = apply.stdin(manifest("applied", value_)).ok().await.unwrap();
        assert_eq!(answer, format!("configmap/applied {said}\n"));
        assert_eq!(value(&stored(&managed, "applied").await), value_);
    }

    for name in ["made", "applied"] {
        managed
            .kubectl(&["delete", "configmap", name])
            .ok()
            .await
            .unwrap();
        let left = managed.config_maps().get_opt(name).await.unwrap();
        assert!(left.is_none());
    }
    let gone = managed.kubectl(&["delete", "configmap", "made"]).run();
    let gone = gone.await.unwrap();
    assert!(gone.stderr.contains("(NotFound)"), "{gone}");
}

#[tokio::test]
async fn server_side_apply_refuses_a_conflict_until_forced() {
    let managed = Managed::with_namespace("server-side").await;
    let apply = |owner: &str, value: &str, more: &[&str]| {
        let owner = format!("--field-manager={owner}");
        let args = [&["apply", "--server-side", &owner, "-f", "-"], more].concat();
        managed
            .kubectl(&args)
            .stdin(manifest("shared", value))
            .run()
    };
    let first = apply("alice", "hers", &[]).await.unwrap().ok().unwrap();
    assert_eq!(first, "configmap/shared serverside-applied\n");

    let conflict = apply("bob", "his", &[]).await.unwrap();
    assert!(!conflict.status.success());
    let told = conflict
        .stderr
        .contains("conflict with \"alice\": .data.value");
    assert!(told, "{conflict}");
    assert_eq!(value(&stored(&managed, "shared").await), "hers");

    apply("bob", "his", &["--force-conflicts"])
        .await
        .unwrap()
        .ok()
        .unwrap();
    let shared = stored(&managed, "shared").await;
    assert_eq!(value(&shared), "his");
    let owners = shared.metadata.managed_fields.unwrap_or_default();
    let owners: Vec<_> = owners
        .iter()
        .filter_map(|it| it.manager.as_deref())
        .collect();
    assert_eq!(owners, ["bob"]);
}

#[tokio::test]
async fn patches_of_all_three_kinds_reach_the_object() {
    let managed = Managed::with_namespace("patches").await;
    // A Service, because its ports are merged by key only if the patch is a strategic one.
    let service = serde_json::json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]},
    });
    let create = managed.kubectl(&["create", "-f", "-"]);
    create.stdin(service.to_string()).ok().await.unwrap();
    let patch = async |kind: &str, patch: &str| {
        let args = ["patch", "service", "web", "--type", kind, "--patch", patch];
        let answer = managed.kubectl(&args).ok().await.unwrap();
        assert_eq!(answer, "service/web patched\n");
        let ports = r"jsonpath={.spec.ports[*].port} {.spec.selector.app}";
        let seen = managed.directly(&["get", "service", "web", "-o", ports]);
        seen.ok().await.unwrap()
    };
    let seen = patch(
        "strategic",
        r#"{"spec":{"ports":[{"name":"tls","port":443}]}}"#,
    )
    .await;
    assert_eq!(seen, "443 80 web");
    let seen = patch(
        "merge",
        r#"{"spec":{"ports":[{"name":"alt","port":8080}]}}"#,
    )
    .await;
    assert_eq!(seen, "8080 web");
    let operation = r#"[{"op":"replace","path":"/spec/selector/app","value":"other"}]"#;
    assert_eq!(patch("json", operation).await, "8080 other");
}

#[tokio::test]
async fn a_server_side_dry_run_leaves_nothing() {
    let managed = Managed::with_namespace("dry-run").await;
    let maps = managed.config_maps();
    let create = [
        "create",
        "configmap",
        "imagined",
        "--dry-run=server",
        "-o",
        "name",
    ];
    let said = managed.kubectl(&create).ok().await.unwrap();
    assert_eq!(said, "configmap/imagined\n");
    let apply = managed.kubectl(&["apply", "--server-side", "--dry-run=server", "-f", "-"]);
    let said = apply.stdin(manifest("imagined", "x")).ok().await.unwrap();
    assert_eq!(
        said,
        "configmap/imagined serverside-applied (server dry run)\n"
    );
    assert!(maps.get_opt("imagined").await.unwrap().is_none());

    let real = maps
        .create(&PostParams::default(), &config_map("real", "kept"))
        .await;
    let delete = ["delete", "configmap", "real", "--dry-run=server"];
    managed.kubectl(&delete).ok().await.unwrap();
    let patch = r#"{"data":{"value":"lost"}}"#;
    let patch = [
        "patch",
        "configmap",
        "real",
        "--dry-run=server",
        "--patch",
        patch,
    ];
    managed.kubectl(&patch).ok().await.unwrap();
    let kept = stored(&managed, "real").await;
    assert_eq!(
        kept.metadata.resource_version,
        real.unwrap().metadata.resource_version
    );
}
