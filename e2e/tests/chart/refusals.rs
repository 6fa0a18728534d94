//! What is refused before anything is changed.

use crate::stage::Stage;

#[tokio::test]
async fn values_that_mean_nothing_are_refused() {
    let stage = Stage::set().await;
    let cases = [
        ("manualSecretManagment=true", "manualSecretManagment"),
        ("konnectivityEgress=perhaps", "konnectivityEgress"),
        ("operator.replica=1", "replica"),
        ("operator.replicas=0", "replicas"),
        ("operator.resources.request.cpu=1", "request"),
        ("images.tags=v1", "tags"),
        ("images.registry=ghcr.io/", "registry"),
        ("images.digests.agents=sha256:00", "agents"),
        ("images.digests.agent=sha256:00", "agent"),
        ("images.digests.gatewayServer=v1", "gatewayServer"),
        ("crds.all=false", "all"),
        ("gatewayConfiguration.spec.egres.type=Tunnel", "egres"),
        ("uninstall.timeout=0", "timeout"),
    ];
    for (value, named) in cases {
        let set = format!("--set={value}");
        let refused = stage
            .helm("template", "gateway", &[&set])
            .await
            .unwrap_err();
        assert!(refused.contains("schema"), "{value}: {refused}");
        assert!(refused.contains(named), "{value}: {refused}");
    }
}

#[tokio::test]
async fn an_upgrade_to_a_spec_that_the_hub_refuses_changes_nothing() {
    let stage = Stage::set().await;
    let install = stage.helm("install", "gateway", &["--create-namespace"]);
    install.await.unwrap();
    let before = stage.configuration().await["spec"].clone();
    for value in ["egress.type=Sideways", "egress.typ=Tunnel"] {
        let set = format!("--set=gatewayConfiguration.spec.{value}");
        let refused = stage.helm("upgrade", "gateway", &[&set]).await.unwrap_err();
        assert!(refused.contains("egress.typ"), "{value}: {refused}");
        assert_eq!(stage.configuration().await["spec"], before, "{value}");
    }
}
