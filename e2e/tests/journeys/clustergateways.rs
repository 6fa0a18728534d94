//! The hub's own list of managed clusters, as kubectl shows it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::{Gateway, SpokeOptions, eventually};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{SOON, managed::permit, openapi::openapi_is_complete, proxy};

/// The shared gateway with one more cluster, which has labels for selectors.
async fn with_labelled(name: &str) -> e2e::SharedGateway {
    let gateway = Gateway::shared().await;
    let spoke = gateway.world.cluster("managed1");
    let options = SpokeOptions {
        name: Some(name.to_owned()),
        ..SpokeOptions::default()
    };
    gateway.register_spoke(spoke, options).await.unwrap();
    let labels = Patch::Merge(json!({"metadata": {"labels": {"journey": name}}}));
    let (secrets, parameters) = (gateway.secrets(), PatchParams::default());
    secrets.patch(name, &parameters, &labels).await.unwrap();
    gateway
}

/// Waits until `kubectl get clustergateway` prints `wanted` with these arguments, because the
/// gateway sees a Secret a moment after the hub has stored it.
async fn names(gateway: &Gateway, selector: &[&str], wanted: &str) {
    let output = ["-o", "jsonpath={.items[*].metadata.name}"];
    let args = [&["get", "clustergateways"], &output[..], selector].concat();
    eventually(SOON, wanted, || async {
        let seen = gateway.hub().kubectl(&args).ok().await.unwrap();
        if seen == wanted { Ok(()) } else { Err(seen) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn kubectl_lists_them_as_a_table() {
    let gateway = Gateway::shared().await;
    let table = gateway
        .hub()
        .kubectl(&["get", "clustergateway"])
        .ok()
        .await
        .unwrap();
    let mut lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let head = [
        "NAME",
        "PROVIDER",
        "CREDENTIAL-TYPE",
        "ENDPOINT-TYPE",
        "HEALTHY",
        "REASON",
        "AGE",
    ];
    assert_eq!(lines.next().unwrap(), head);
    let row = lines.find(|row| row[0] == "managed1").unwrap();
    assert_eq!(row[1..3], ["ServiceAccountToken", "Const"]);

    let get = ["get", "clustergateway", "managed1", "--no-headers"];
    let single = gateway.hub().kubectl(&get).ok().await.unwrap();
    assert!(
        single.starts_with("managed1 ") && single.lines().count() == 1,
        "{single}"
    );
    let absent = gateway
        .hub()
        .kubectl(&["get", "clustergateway", "absent"])
        .run();
    let absent = absent.await.unwrap();
    assert!(absent.stderr.contains("(NotFound)"), "{absent}");
}

#[tokio::test]
async fn no_way_of_showing_them_shows_a_credential() {
    let gateway = Gateway::shared().await;
    let secret: Secret = gateway.secrets().get("managed1").await.unwrap();
    let token = secret.data.unwrap()["token"].0.clone();
    let encoded = STANDARD.encode(&token);
    let token = String::from_utf8(token).unwrap();
    for args in [
        &["get", "clustergateway", "managed1", "-o", "yaml"][..],
        &[
            "get",
            "clustergateway",
            "managed1",
            "-o",
            "json",
            "--show-managed-fields",
        ],
        &["get", "clustergateways", "-o", "yaml"],
        &["describe", "clustergateway", "managed1"],
    ] {
        let shown = gateway.hub().kubectl(args).ok().await.unwrap();
        assert!(
            shown.contains("managed1") && shown.contains("ServiceAccountToken"),
            "{shown}"
        );
        assert!(
            !shown.contains(&token) && !shown.contains(&encoded),
            "{args:?}"
        );
    }
    let address = "jsonpath={.spec.access.endpoint.const.address}";
    let get = ["get", "clustergateway", "managed1", "-o", address];
    let address = gateway.hub().kubectl(&get).ok().await.unwrap();
    assert_eq!(address, gateway.world.cluster("managed1").url());
}

#[tokio::test]
async fn selectors_choose_among_them() {
    let gateway = with_labelled("labelled").await;
    names(&gateway, &["-l", "journey=labelled"], "labelled").await;
    names(
        &gateway,
        &["-l", "journey in (labelled),journey!=x"],
        "labelled",
    )
    .await;
    names(&gateway, &["-l", "journey=absent"], "").await;
    names(
        &gateway,
        &["--field-selector", "metadata.name=managed1"],
        "managed1",
    )
    .await;
    let both = [
        "-l",
        "journey",
        "--field-selector",
        "metadata.name!=labelled",
    ];
    names(&gateway, &both, "").await;
    gateway.unregister_spoke("labelled").await.unwrap();
    names(&gateway, &["-l", "journey=labelled"], "").await;
}

#[tokio::test]
async fn kubectl_explains_them() {
    let gateway = Gateway::shared().await;
    openapi_is_complete(gateway.hub()).await;
    let explain = async |path: &str| {
        gateway
            .hub()
            .kubectl(&["explain", path])
            .ok()
            .await
            .unwrap()
    };
    let spec = explain("clustergateway.spec").await;
    assert!(
        spec.contains("GROUP:      cluster.core.oam.dev\n"),
        "{spec}"
    );
    assert!(spec.contains("  access\t<"), "{spec}");
    let endpoint = explain("clustergateway.spec.access.endpoint").await;
    assert!(endpoint.contains("  type\t<"), "{endpoint}");
}

#[tokio::test]
async fn healthz_of_a_managed_cluster_prints_ok() {
    let gateway = Gateway::shared().await;
    for path in ["/healthz", "/livez/ping"] {
        let healthz = ["get", "--raw", &proxy("managed1", path)];
        assert_eq!(gateway.hub().kubectl(&healthz).ok().await.unwrap(), "ok");
    }
}

#[tokio::test]
async fn a_hub_user_needs_no_more_than_the_right_to_the_proxy() {
    let gateway = Gateway::shared().await;
    let hub = gateway.hub();
    permit(hub, "reader").await;
    let identity = hub.certificate_of("reader", &[]).unwrap();
    let server = format!("{}{}", hub.url(), proxy("managed1", ""));
    let kubeconfig = hub.write_kubeconfig("reader.kubeconfig", &server, &hub.ca_pem(), &identity);
    let kubeconfig = kubeconfig.unwrap();
    let kubectl = |args: &[&str]| hub.kubectl_with(&kubeconfig, args).run();
    let seen = kubectl(&["get", "namespace", "default", "-o", "name"])
        .await
        .unwrap();
    assert_eq!(seen.ok().unwrap(), "namespace/default\n");
    let refused = kubectl(&["create", "namespace", "refused"]).await.unwrap();
    assert!(refused.stderr.contains("(Forbidden)"), "{refused}");
    assert!(
        refused.stderr.contains("clustergateways/proxy"),
        "{refused}"
    );
}
