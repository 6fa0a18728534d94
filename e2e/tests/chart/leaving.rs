//! What can be deleted while there is a configuration, and what an uninstall leaves.

use std::time::Duration;

use e2e::eventually;
use serde_json::Value;

use crate::stage::{RELEASE, Stage};

const NAMESPACE: &str = "gateway";
/// An API server looks for new kinds, and so for the configuration, every 30 s.
const SOON: Duration = Duration::from_mins(2);
const FIRST: &str = "first \"kubectl delete gatewayconfiguration default\"";
/// What the operator cannot do without.
const NEEDED: [&str; 9] = [
    "namespace/gateway",
    "serviceaccount/spokeway-operator",
    "deployment/spokeway-operator",
    "role/spokeway-operator",
    "rolebinding/spokeway-operator",
    "clusterrolebinding/spokeway-operator",
    "clusterrole/spokeway-agent-tokens",
    "crd/accessgrants.gateway.open-cluster-management.io",
    "crd/gatewayconfigurations.gateway.open-cluster-management.io",
];
const GRANT: &str = r#"{
    "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
    "metadata": {"name": "alice-views"},
    "spec": {
        "clusters": {"names": ["managed1"]}, "role": {"clusterRole": "view"},
        "subjects": [{"kind": "User", "name": "alice"}]
    }
}"#;

async fn deleted(stage: &Stage, what: &str, namespace: &str) -> Result<String, String> {
    let delete = ["delete", what, "--dry-run=server", "--namespace", namespace];
    stage.kubectl(&delete).await
}

#[tokio::test]
async fn the_configuration_is_deleted_before_what_the_operator_needs_for_that() {
    let stage = Stage::set().await;
    let spec = "--set=gatewayConfiguration.spec.server.namespace=elsewhere";
    let install = ["--create-namespace", spec];
    stage.helm("install", NAMESPACE, &install).await.unwrap();
    for namespace in ["elsewhere", "others"] {
        let create = ["create", "namespace", namespace];
        stage.kubectl(&create).await.unwrap();
    }
    let account = ["create", "serviceaccount", "spokeway-operator", "-n=others"];
    stage.kubectl(&account).await.unwrap();
    let in_force = || async {
        match deleted(&stage, NEEDED[0], NAMESPACE).await {
            Err(refused) if refused.contains(FIRST) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    let in_force = eventually(SOON, "the policy is in force", in_force);
    in_force.await.unwrap();
    for needed in NEEDED.into_iter().chain(["namespace/elsewhere"]) {
        let refused = deleted(&stage, needed, NAMESPACE).await.unwrap_err();
        assert!(refused.contains(FIRST), "{needed}: {refused}");
    }
    for other in ["namespace/others", "serviceaccount/spokeway-operator"] {
        deleted(&stage, other, "others").await.unwrap();
    }

    let delete = ["delete", "gatewayconfiguration", "default"];
    stage.kubectl(&delete).await.unwrap();
    for needed in NEEDED {
        let free = || deleted(&stage, needed, NAMESPACE);
        eventually(SOON, needed, free).await.unwrap();
    }
}

/// With a kind, every object of it is deleted, also those of others.
#[tokio::test]
async fn grants_and_accounts_stay_where_a_release_is_uninstalled() {
    let stage = Stage::set().await;
    let install = ["--create-namespace"];
    stage.helm("install", NAMESPACE, &install).await.unwrap();
    let apply = stage.hub().kubectl(&["apply", "-f", "-"]).stdin(GRANT);
    apply.ok().await.unwrap();
    let grant = async || {
        let get = ["get", "accessgrant", "alice-views", "-o", "json"];
        let grant = stage.kubectl(&get).await?;
        serde_json::from_str::<Value>(&grant).map_err(|error| error.to_string())
    };
    let before = grant().await.unwrap();

    // No pods run here, so nobody would run the hook.
    let delete = ["delete", "gatewayconfiguration", "default"];
    stage.kubectl(&delete).await.unwrap();
    let uninstall = ["uninstall", RELEASE, "--no-hooks", "--namespace", NAMESPACE];
    let free = || deleted(&stage, NEEDED[1], NAMESPACE);
    eventually(SOON, "nothing is held", free).await.unwrap();
    stage.run(&uninstall).await.unwrap();
    // A definition stays for a moment until its objects are gone, and Helm does not wait for that.
    let left = async |wanted: &[String]| {
        let same = || async {
            let kinds = stage.kubectl(&["get", "crd", "-o", "name"]).await?;
            let same = kinds.lines().eq(wanted.iter().map(String::as_str));
            same.then_some(()).ok_or(kinds)
        };
        eventually(SOON, "definitions are deleted", same)
            .await
            .unwrap();
    };
    let kind = |name: &str| format!("customresourcedefinition.apiextensions.k8s.io/{name}");
    let kept = [
        kind("accessgrants.gateway.open-cluster-management.io"),
        kind("managedserviceaccounts.authentication.open-cluster-management.io"),
    ];
    left(&kept).await;
    assert_eq!(grant().await.unwrap(), before);

    stage.helm("install", NAMESPACE, &[]).await.unwrap();
    assert_eq!(
        grant().await.unwrap()["metadata"]["uid"],
        before["metadata"]["uid"]
    );
    let asked = "--set=crds.keep=false";
    stage.helm("upgrade", NAMESPACE, &[asked]).await.unwrap();
    stage.kubectl(&delete).await.unwrap();
    eventually(SOON, "nothing is held", free).await.unwrap();
    stage.run(&uninstall).await.unwrap();
    left(&[]).await;
}
