//! Releases: installed, upgraded, rolled back.

use serde_json::{Value, json};

use crate::stage::{RELEASE, Stage};

const NAMESPACE: &str = "gateway";

#[tokio::test]
async fn an_install_brings_the_operator_its_kinds_and_a_configuration() {
    let stage = Stage::set().await;
    let notes = stage.helm("install", NAMESPACE, &["--create-namespace"]);
    let notes = notes.await.unwrap();
    assert!(
        notes.contains("kubectl get gatewayconfiguration default --watch"),
        "{notes}"
    );
    let spec = &stage.configuration().await["spec"];
    assert_eq!(spec["server"]["namespace"], NAMESPACE);
    assert_eq!(spec["credentials"]["type"], "ManagedServiceAccount");
    assert_eq!(spec["egress"]["type"], "Auto");

    let own = [
        "get",
        "deployment,role,rolebinding,serviceaccount,lease,pdb",
    ];
    let own = [own.as_slice(), &["-A", "-o=name", "--field-selector"]].concat();
    let of =
        |namespace: &str| format!("metadata.namespace={namespace},metadata.name=spokeway-operator");
    let here = of(NAMESPACE);
    let here = stage
        .kubectl(&[own.as_slice(), &[&here]].concat())
        .await
        .unwrap();
    assert_eq!(here.lines().count(), 6, "{here}");
    let elsewhere = of("spokeway-system");
    let elsewhere = stage
        .kubectl(&[own.as_slice(), &[&elsewhere]].concat())
        .await;
    assert_eq!(elsewhere.unwrap(), "");
    let namespace = "-o=jsonpath={.subjects[*].namespace}";
    let bound = ["get", "clusterrolebinding", "spokeway-operator", namespace];
    assert_eq!(stage.kubectl(&bound).await.unwrap(), NAMESPACE);
}

#[tokio::test]
async fn the_walkthroughs_switches_mean_what_they_mean_there() {
    let stage = Stage::set().await;
    let manual = "--set=manualSecretManagement=";
    let tunnel = "--set=konnectivityEgress=";
    let cases = [
        (
            [format!("{manual}false"), format!("{tunnel}true")],
            ["ManagedServiceAccount", "Tunnel"],
        ),
        (
            [format!("{manual}true"), format!("{tunnel}false")],
            ["Manual", "Direct"],
        ),
        (
            [format!("{manual}null"), format!("{tunnel}null")],
            ["ManagedServiceAccount", "Auto"],
        ),
    ];
    let mut command = "install";
    for (switches, [credentials, egress]) in cases {
        let [manual, tunnel] = &switches;
        let more = ["--create-namespace", manual, tunnel];
        let more = if command == "install" {
            &more
        } else {
            &more[1..]
        };
        stage.helm(command, NAMESPACE, more).await.unwrap();
        let spec = &stage.configuration().await["spec"];
        assert_eq!(spec["credentials"]["type"], credentials, "{switches:?}");
        assert_eq!(spec["egress"]["type"], egress, "{switches:?}");
        command = "upgrade";
    }
}

/// A configuration that is deleted and created again would first cut off every cluster from the
/// hub.
#[tokio::test]
async fn a_configuration_stays_the_same_object_through_upgrades_and_rollbacks() {
    let stage = Stage::set().await;
    let install = stage.helm("install", NAMESPACE, &["--create-namespace"]);
    install.await.unwrap();
    let first = stage.configuration().await;
    let is_the_same = |now: &Value| {
        assert_eq!(now["metadata"]["uid"], first["metadata"]["uid"]);
        assert_eq!(now["metadata"]["deletionTimestamp"], Value::Null);
    };

    let more = "--set-json=gatewayConfiguration.spec={\"limits\":{\"requestTimeout\":7}}";
    stage.helm("upgrade", NAMESPACE, &[more]).await.unwrap();
    let limited = stage.configuration().await;
    is_the_same(&limited);
    assert_eq!(limited["spec"]["limits"], json!({"requestTimeout": 7}));

    let none = "--set=gatewayConfiguration.create=false";
    stage.helm("upgrade", NAMESPACE, &[none]).await.unwrap();
    is_the_same(&stage.configuration().await);

    let rollback = ["rollback", RELEASE, "1", "--namespace", NAMESPACE];
    stage.run(&rollback).await.unwrap();
    is_the_same(&stage.configuration().await);
    stage.helm("upgrade", NAMESPACE, &[]).await.unwrap();
    is_the_same(&stage.configuration().await);
}

#[tokio::test]
async fn a_kind_that_somebody_else_brought_is_left_alone() {
    let stage = Stage::set().await;
    let crd = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../config/crds/managedserviceaccounts.yaml"
    );
    stage.kubectl(&["create", "-f", crd]).await.unwrap();
    let refused = stage.helm("install", NAMESPACE, &["--create-namespace"]);
    let refused = refused.await.unwrap_err();
    assert!(refused.contains("managedserviceaccounts"), "{refused}");
    let without = [
        "--create-namespace",
        "--set=crds.managedServiceAccounts=false",
    ];
    stage.helm("install", NAMESPACE, &without).await.unwrap();
    assert_eq!(stage.configuration().await["metadata"]["name"], "default");
}
