//! All clusters that the hub knows, as kubectl shows them, and health that a caller reports.

use std::time::Duration;

use crds::cluster_core::{
    ClusterGateway,
    secret::{HEALTHY_ANNOTATION, HEALTHY_REASON_ANNOTATION},
};
use e2e::{Gateway, SharedGateway, SpokeOptions, eventually};
use kube::{
    Api, Error,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{GATEWAYS, SOON, openapi::openapi_is_complete};

/// The shared gateway with one more cluster, to which nobody sends a request.
async fn with_cluster(name: &str) -> SharedGateway {
    let gateway = Gateway::shared().await;
    let options = SpokeOptions {
        name: Some(name.to_owned()),
        ..SpokeOptions::default()
    };
    let spoke = gateway.world.cluster("managed1");
    gateway.register_spoke(spoke, options).await.unwrap();
    let metadata = json!({"metadata": {
        "labels": {"journey": name},
        "annotations": {"cluster.core.oam.dev/cluster-alias": format!("alias-of-{name}")},
    }});
    let (secrets, parameters) = (gateway.secrets(), PatchParams::default());
    let metadata = Patch::Merge(metadata);
    secrets.patch(name, &parameters, &metadata).await.unwrap();
    gateway
}

async fn kubectl(gateway: &Gateway, args: &[&str]) -> String {
    gateway.hub().kubectl(args).ok().await.unwrap()
}

/// Waits until kubectl prints a line like that.
async fn prints(gateway: &Gateway, args: &[&str], is_wanted: impl Fn(&[&str]) -> bool) {
    eventually(SOON, "the line", || async {
        let seen = kubectl(gateway, args).await;
        let mut lines = seen.lines().map(|it| it.split_whitespace().collect());
        let found = lines.any(|line: Vec<_>| is_wanted(&line));
        if found { Ok(()) } else { Err(seen) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn kubectl_lists_the_hub_first_and_then_its_clusters() {
    let gateway = with_cluster("virtual-1").await;
    let is_row = |line: &[&str]| {
        line.len() == 6
            && line[..3] == ["virtual-1", "alias-of-virtual-1", "ServiceAccountToken"]
            && line[3].starts_with("Const")
            && line[4..]
                == [
                    "true",
                    "cluster.core.oam.dev/control-plane=false,journey=virtual-1",
                ]
    };
    prints(&gateway, &["get", "vc"], is_row).await;
    let table = kubectl(&gateway, &["get", "vc"]).await;
    let mut lines = table
        .lines()
        .map(|it| it.split_whitespace().collect::<Vec<_>>());
    let head = [
        "NAME",
        "ALIAS",
        "CREDENTIAL_TYPE",
        "ENDPOINT",
        "ACCEPTED",
        "LABELS",
    ];
    assert_eq!(lines.next().unwrap(), head);
    let local = lines.next().unwrap();
    assert_eq!(local[..2], ["local", "Internal"], "{table}");
    for name in [
        "virtualcluster",
        "vcluster",
        "vclusters",
        "virtual-cluster",
        "virtual-clusters",
    ] {
        let seen = kubectl(&gateway, &["get", name, "virtual-1", "-o", "name"]).await;
        assert_eq!(seen, "virtualcluster.cluster.core.oam.dev/virtual-1\n");
    }
    let wide = kubectl(&gateway, &["get", "virtualclusters", "-o", "wide"]).await;
    assert!(
        wide.lines().next().unwrap().ends_with("CREATION_TIMESTAMP"),
        "{wide}"
    );

    let names = ["get", "vc", "-o", "name", "-l"];
    let chosen = async |selector| kubectl(&gateway, &[&names[..], &[selector]].concat()).await;
    let prefixed = |name: &str| format!("virtualcluster.cluster.core.oam.dev/{name}\n");
    assert_eq!(chosen("journey=virtual-1").await, prefixed("virtual-1"));
    let hub = "cluster.core.oam.dev/control-plane=true";
    assert_eq!(chosen(hub).await, prefixed("local"));

    let absent = gateway
        .hub()
        .kubectl(&["get", "vc", "absent"])
        .run()
        .await
        .unwrap();
    assert!(absent.stderr.contains("(NotFound)"), "{absent}");
    gateway.unregister_spoke("virtual-1").await.unwrap();
}

#[tokio::test]
async fn kubectl_watches_who_comes_and_goes() {
    let gateway = Gateway::shared().await;
    let watch = [
        "get",
        "vc",
        "--watch",
        "--output-watch-events",
        "-l",
        "journey=virtual-2",
    ];
    let watch = gateway.hub().kubectl(&watch);
    let mut watch = watch.timeout(Duration::from_mins(1)).spawn().unwrap();
    let gateway = with_cluster("virtual-2").await;
    let head = watch.line(SOON).await.unwrap().unwrap();
    assert!(
        head.starts_with("EVENT ") && head.contains(" ALIAS "),
        "{head}"
    );
    let row = watch.line(SOON).await.unwrap().unwrap();
    assert!(
        row.starts_with("ADDED ") && row.contains(" virtual-2 "),
        "{row}"
    );
    gateway.unregister_spoke("virtual-2").await.unwrap();
    let row = watch.line(SOON).await.unwrap().unwrap();
    assert!(
        row.starts_with("DELETED ") && row.contains(" virtual-2 "),
        "{row}"
    );
}

#[tokio::test]
async fn kubectl_explains_and_describes_what_it_shows() {
    let gateway = with_cluster("virtual-3").await;
    openapi_is_complete(gateway.hub()).await;
    let spec = kubectl(&gateway, &["explain", "vc.spec"]).await;
    for field in ["accepted", "alias", "credential-type", "endpoint"] {
        assert!(spec.contains(&format!("  {field}\t<")), "{field}: {spec}");
    }
    let access = kubectl(&gateway, &["explain", "clustergateway.spec.access"]).await;
    assert!(
        access.contains("How the gateway reaches the cluster and logs in to it."),
        "{access}"
    );
    assert!(access.contains("never the credential"), "{access}");
    let described = kubectl(&gateway, &["describe", "clustergateway", "virtual-3"]).await;
    for line in [
        "Name:         virtual-3",
        "Kind:         ClusterGateway",
        "Type:  ServiceAccountToken",
    ] {
        assert!(described.contains(line), "{line}: {described}");
    }
    let described = kubectl(&gateway, &["describe", "vc", "virtual-3"]).await;
    assert!(described.contains("alias-of-virtual-3"), "{described}");
    gateway.unregister_spoke("virtual-3").await.unwrap();
}

/// Case 5 of cluster-gateway's own end-to-end tests, and what a client can do wrong.
#[tokio::test]
async fn health_that_a_caller_reports_is_kept_in_the_secret() {
    let gateway = with_cluster("reported").await;
    let health = format!("{GATEWAYS}/reported/health");
    let read = async || -> Value {
        let get = ["get", "clustergateway", "reported", "-o", "json"];
        serde_json::from_str(&kubectl(&gateway, &get).await).unwrap()
    };
    prints(&gateway, &["get", "cgw"], |line| {
        line.first() == Some(&"reported")
    })
    .await;
    let mut object = read().await;
    assert_eq!(object.get("status"), None, "nobody has tried to connect");

    object["status"] = json!({"healthy": true, "healthyReason": "ConnectionTimeout"});
    let replace = ["replace", "--raw", &health, "-f", "-"];
    let put = async |object: &Value| {
        let put = gateway.hub().kubectl(&replace).stdin(object.to_string());
        put.run().await.unwrap()
    };
    let echoed: Value = serde_json::from_str(&put(&object).await.ok().unwrap()).unwrap();
    assert_eq!(echoed["status"]["healthy"], true);
    assert_eq!(echoed["status"]["healthyReason"], "ConnectionTimeout");
    let secret = gateway.secrets().get("reported").await.unwrap();
    let annotations = secret.metadata.annotations.unwrap();
    assert_eq!(annotations[HEALTHY_ANNOTATION], "true");
    assert_eq!(annotations[HEALTHY_REASON_ANNOTATION], "ConnectionTimeout");
    assert!(secret.data.unwrap().contains_key("token"));
    eventually(SOON, "the report to be shown", || async {
        let shown = read().await["status"].clone();
        let is_it = shown["healthy"] == true && shown["healthyReason"] == "ConnectionTimeout";
        if is_it {
            Ok(())
        } else {
            Err(shown.to_string())
        }
    })
    .await
    .unwrap();

    // It has not seen what was written meanwhile.
    let stale = put(&object).await;
    assert!(stale.stderr.contains("(Conflict)"), "{stale}");
    let api: Api<ClusterGateway> = Api::all(gateway.hub().client());
    let parameters = PatchParams::default();
    let merge = Patch::Merge(json!({"status": {"healthy": false}}));
    let merged = api.patch_subresource("health", "reported", &parameters, &merge);
    let status = merged.await.unwrap().status.unwrap();
    assert_eq!(
        (status.healthy, status.healthy_reason.as_str()),
        (false, "ConnectionTimeout")
    );
    let bad = Patch::Merge(json!({"status": {"healthy": "yes"}}));
    let bad = api
        .patch_subresource("health", "reported", &parameters, &bad)
        .await;
    let Err(Error::Api(refused)) = bad else {
        panic!("{bad:?}");
    };
    assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
    gateway.unregister_spoke("reported").await.unwrap();
}
