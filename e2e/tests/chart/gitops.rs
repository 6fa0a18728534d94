//! What helm only renders, and something else applies.

use crate::{manifests::objects, stage::Stage};

const NAMESPACE: &str = "gateway";
const CREATE: &str = "--set=gatewayConfiguration.create=true";

async fn apply(stage: &Stage, manifests: &str) -> Result<String, String> {
    let apply = stage.hub().kubectl(&["apply", "-f", "-"]);
    let done = apply.stdin(manifests).ok().await;
    done.map_err(|error| error.to_string())
}

#[tokio::test]
async fn what_is_rendered_uninstalls_nothing_and_is_taken_at_the_first_try() {
    let stage = Stage::set().await;
    let rendered = stage.helm("template", NAMESPACE, &[]).await.unwrap();
    assert!(!rendered.contains("helm.sh/hook"), "{rendered}");
    let all = objects(&rendered);
    let kinds: Vec<_> = all.keys().map(|(kind, _)| kind.as_str()).collect();
    for kind in ["Job", "GatewayConfiguration"] {
        assert!(!kinds.contains(&kind), "{kinds:?}");
    }
    let create = ["create", "namespace", NAMESPACE];
    stage.kubectl(&create).await.unwrap();
    apply(&stage, &rendered).await.unwrap();

    // For tools that apply kinds before objects: an object like any other, which they prune and delete.
    let rendered = stage.helm("template", NAMESPACE, &[CREATE]).await.unwrap();
    assert!(!rendered.contains("helm.sh/hook"), "{rendered}");
    let all = objects(&rendered);
    let configuration = &all[&("GatewayConfiguration".to_owned(), "default".to_owned())];
    assert_eq!(configuration["metadata"].as_object().unwrap().len(), 1);
    let served = ["wait", "--for=condition=Established", "crd", "--all"];
    stage.kubectl(&served).await.unwrap();
    apply(&stage, &rendered).await.unwrap();
    let spec = &stage.configuration().await["spec"];
    assert_eq!(spec["server"]["namespace"], NAMESPACE);
}

/// Argo CD tells helm which kinds the hub serves. A kind that is missing for a moment must not take
/// the configuration away.
#[tokio::test]
async fn what_is_rendered_is_the_same_whatever_the_hub_serves() {
    let stage = Stage::set().await;
    let kind = "--api-versions=gateway.open-cluster-management.io/v1alpha1/GatewayConfiguration";
    for more in [[].as_slice(), &[CREATE]] {
        let plain = stage.helm("template", NAMESPACE, more).await.unwrap();
        let more = [more, &[kind]].concat();
        assert_eq!(
            stage.helm("template", NAMESPACE, &more).await.unwrap(),
            plain
        );
    }
    let none = "--set=gatewayConfiguration.create=false";
    let install = ["--create-namespace", none];
    stage.helm("install", NAMESPACE, &install).await.unwrap();
    let get = ["get", "gatewayconfigurations", "-o", "name"];
    assert_eq!(stage.kubectl(&get).await.unwrap(), "");
}
