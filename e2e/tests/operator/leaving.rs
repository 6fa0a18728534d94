//! How an installation goes: everything deleted at once, or its namespace deleted.

use std::{fs, path::Path};

use e2e::{GatewayOptions, Helm, Operator, helm::CHART, ocm::KlusterletOptions};
use serde_json::json;

use super::{
    hub::{kubectl, soon},
    stage::Stage,
};

const NAMESPACE: &str = "spokeway-system";
const MANAGED: &str = "managed1";
const FIRST: &str = "first \"kubectl delete gatewayconfiguration default\"";
const REGISTERED: [&str; 3] = ["get", "apiservice", "v1alpha1.cluster.core.oam.dev"];
const OURS: &str = "app.kubernetes.io/managed-by=spokeway-operator";
/// The kinds of what the operator makes on a hub.
const MADE: &str = "clustermanagementaddons,managedclusteraddons,manifestworks,rolebindings,\
    clusterrolebindings,apiservices,services,secrets,serviceaccounts,deployments";
/// What is there once on a hub, and is shipped.
const SHIPPED: &str =
    "customresourcedefinitions,validatingadmissionpolicies,validatingadmissionpolicybindings";

/// What the operator made, and what was shipped with it. The harness has objects of its own for the
/// gateway that it runs.
async fn left(stage: &Stage) -> Result<Vec<String>, String> {
    let made = ["get", MADE, "-A", "-l", OURS, "-o", "name"];
    let made = stage.kubectl(&made).await?;
    let shipped = stage.kubectl(&["get", SHIPPED, "-o", "name"]).await?;
    let names = ["spokeway", "gateway.open-cluster-management.io"];
    let is_ours = |name: &&str| names.iter().any(|word| name.contains(word));
    let shipped = shipped.lines().filter(is_ours);
    Ok(made.lines().chain(shipped).map(str::to_owned).collect())
}

async fn refused(stage: &Stage, args: &[&str]) -> Result<String, String> {
    match stage.kubectl(args).await {
        Err(refused) if refused.contains(FIRST) => Ok(refused),
        other => Err(format!("{other:?}")),
    }
}

/// As `GitOps` does it: what the chart renders is applied, and later deleted.
#[tokio::test]
async fn what_kubectl_applied_at_once_can_be_deleted_at_once() {
    let world = Stage::world(&[(MANAGED, KlusterletOptions::default())]).await;
    let hub = world.cluster("hub");
    let template = ["template", "spokeway", CHART, "--namespace", NAMESPACE];
    let rendered = Helm::ensure()
        .unwrap()
        .on(hub, &template)
        .ok()
        .await
        .unwrap();
    let file = hub.directory().join("rendered.yaml");
    fs::write(&file, &rendered).unwrap();
    let file = file.display().to_string();
    let namespace = Path::new(CHART).join("../operator/namespace.yaml");
    let namespace = namespace.display().to_string();
    kubectl(hub, &["apply", "-f", &namespace]).await.unwrap();
    // The first time, on a hub that knows none of its kinds.
    let apply = ["apply", "--server-side", "-f", &file];
    kubectl(hub, &apply).await.unwrap();

    let stage = Stage::on(
        world,
        &[(MANAGED, KlusterletOptions::default())],
        &[],
        GatewayOptions::for_operator(),
    )
    .await;
    stage.configure(&json!({})).await;
    soon("healthz", || stage.through(MANAGED, "/healthz")).await;
    let deployment = [
        "delete",
        "deployment",
        "spokeway-operator",
        "-n",
        NAMESPACE,
        "--dry-run=server",
    ];
    soon("the policy is in force", || refused(&stage, &deployment)).await;

    let everything = format!(
        "{rendered}\n---\n{}",
        Operator::configuration(&stage.gateway, &json!({}))
    );
    let file = stage.hub().directory().join("everything.yaml");
    fs::write(&file, everything).unwrap();
    let file = file.display().to_string();
    let delete = ["delete", "--ignore-not-found", "--timeout=30s", "-f", &file];
    let said = refused(&stage, &delete).await.unwrap();
    for kept in [
        "serviceaccounts",
        "deployments",
        "clusterroles",
        "customresourcedefinitions",
    ] {
        assert!(
            said.contains(&format!("{kept} ")) || said.contains(&format!("{kept}.")),
            "{kept}: {said}"
        );
    }
    // The operator was left what it needs, and the second time there is no configuration.
    soon("everything is deleted", || stage.kubectl(&delete)).await;
    assert_eq!(left(&stage).await.unwrap(), [] as [String; 0]);
}

#[tokio::test]
async fn a_hub_that_loses_the_namespace_is_not_held_up_and_can_be_cleaned_later() {
    let clusters = [(MANAGED, KlusterletOptions::default())];
    let stage = Stage::set(&clusters, &[]).await;
    stage.configure(&json!({})).await;
    soon("healthz", || stage.through(MANAGED, "/healthz")).await;
    let delete = ["delete", "namespace", NAMESPACE, "--wait=false"];
    let dry = [delete.as_slice(), &["--dry-run=server"]].concat();
    soon("it is refused", || refused(&stage, &dry)).await;

    // Without the policy it is possible all the same.
    forget_the_policy(&stage).await;
    soon("it is not refused", || stage.kubectl(&dry)).await;
    stage.kubectl(&delete).await.unwrap();
    let withdrawn = || async { stage.kubectl(&REGISTERED).await.map_or_else(Ok, Err) };
    soon("the API is withdrawn", withdrawn).await;
    namespaces_go(&stage).await;
    let gone = || async {
        stage
            .kubectl(&["get", "namespace", NAMESPACE])
            .await
            .map_or_else(Ok, Err)
    };
    soon("the namespace is gone", gone).await;

    // Installed again, the operator finishes what it is told.
    stage.operator.kill();
    Operator::install(stage.hub()).await.unwrap();
    let _again = Operator::start(stage.hub(), "operator-2", &[])
        .await
        .unwrap();
    let (done, said) = Operator::uninstall(stage.hub(), 60).await.unwrap();
    assert!(done, "{said}");
    let made = ["get", MADE, "-A", "-l", OURS, "-o", "name"];
    assert_eq!(stage.kubectl(&made).await.unwrap(), "");
}

/// Nobody was there to withdraw the API.
#[tokio::test]
async fn one_line_frees_a_hub_whose_gateway_and_operator_are_gone() {
    let world = Stage::world(&[]).await;
    let stage = Stage::on(world, &[], &[], GatewayOptions::for_operator()).await;
    stage.configure(&json!({})).await;
    soon("the API is registered", || stage.kubectl(&REGISTERED)).await;
    stage.operator.kill();
    forget_the_policy(&stage).await;
    let delete = |name| ["delete", "namespace", name, "--wait=false"];
    let of_gateway = delete(NAMESPACE);
    soon("nobody refuses", || stage.kubectl(&of_gateway)).await;
    let unserved = || async {
        let api = ["get", "--raw", "/apis/cluster.core.oam.dev/v1alpha1"];
        stage.kubectl(&api).await.map_or_else(Ok, Err)
    };
    soon("the API is not served", unserved).await;
    let create = ["create", "namespace", "held"];
    stage.kubectl(&create).await.unwrap();
    stage.kubectl(&delete("held")).await.unwrap();
    let held = || async {
        let path = "-o=jsonpath={.status.conditions[*].reason}";
        let said = stage.kubectl(&["get", "namespace", "held", path]).await?;
        if said.contains("DiscoveryFailed") {
            Ok(())
        } else {
            Err(said)
        }
    };
    soon("the hub is held up", held).await;
    let free = ["delete", "apiservice", "v1alpha1.cluster.core.oam.dev"];
    stage.kubectl(&free).await.unwrap();
    let gone = ["wait", "--for=delete", "namespace/held", "--timeout=60s"];
    stage.kubectl(&gone).await.unwrap();
}

/// As if the policy had never been applied.
async fn forget_the_policy(stage: &Stage) {
    for kind in [
        "validatingadmissionpolicybinding",
        "validatingadmissionpolicy",
    ] {
        let free = [
            "patch",
            kind,
            "spokeway-leaving",
            "--type=merge",
            "--patch={\"metadata\":{\"finalizers\":null}}",
        ];
        let delete = [
            "delete",
            kind,
            "spokeway-leaving",
            "--wait=false",
            "--ignore-not-found",
        ];
        stage.kubectl(&delete).await.unwrap();
        let _ = stage.kubectl(&free).await;
    }
}

/// A namespace of somebody else can be deleted.
async fn namespaces_go(stage: &Stage) {
    stage
        .kubectl(&["create", "namespace", "others"])
        .await
        .unwrap();
    let delete = ["delete", "namespace", "others", "--wait=false"];
    stage.kubectl(&delete).await.unwrap();
    // The hub tries again with growing pauses after it met the API that is gone now.
    let gone = || async {
        let get = ["get", "namespace", "others"];
        stage.kubectl(&get).await.map_or_else(Ok, Err)
    };
    soon("the namespace of somebody else is gone", gone).await;
}
