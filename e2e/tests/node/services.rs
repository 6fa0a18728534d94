//! A Service of the spoke beside its API server, reached from the hub through the tunnel.
//!
//! The spoke has no DNS. The Services are headless, so DNS would answer with the addresses in their
//! `EndpointSlices`. The test writes these into the hosts file that the agents see.

use std::{io::ErrorKind, net::TcpStream, time::Duration};

use e2e::eventually;
use http::Request;
use kube::{Client, client::Body};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::stage::{BY_MTLS, GATEWAYS, SPOKE, Stage, pod};

const PORT: u16 = 8080;
const BULK: usize = 5 << 20;
const SOON: Duration = Duration::from_mins(1);
/// Much longer than a request takes on one machine.
const DIAL: Duration = Duration::from_secs(2);

static ADDRESS: OnceCell<String> = OnceCell::const_new();

#[tokio::test]
async fn an_exposed_service_is_reached_and_no_other() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    let address = ADDRESS.get_or_init(|| services(&stage)).await;
    let dialled = TcpStream::connect_timeout(&format!("{address}:{PORT}").parse().unwrap(), DIAL);
    assert_eq!(dialled.unwrap_err().kind(), ErrorKind::TimedOut);

    let admin = stage.hub().client();
    for cluster in [SPOKE, BY_MTLS] {
        let front = path(cluster, "front", "/");
        let get = stage.hub().kubectl(&["get", "--raw", &front]);
        assert_eq!(get.ok().await.unwrap(), "hello from web-pod\n", "{cluster}");
        let bytes = path(cluster, "front", &format!("/bytes/{BULK}"));
        let (code, body) = ask(&admin, Request::get(bytes), Vec::new()).await;
        assert_eq!((code, body.len()), (200, BULK), "{cluster}");
        let count = Request::post(path(cluster, "front", "/count"));
        let counted = ask(&admin, count, vec![b'x'; BULK]).await;
        assert_eq!(counted, (200, format!("{BULK}\n").into()), "{cluster}");
        let nowhere = Request::get(path(cluster, "front", "/nowhere"));
        assert_eq!(ask(&admin, nowhere, Vec::new()).await.0, 404, "{cluster}");

        // All of them lead to the same pod, so only the lists can keep a caller from it.
        for (service, code, why) in [
            ("side", 403, "is not exposed by the gateway"),
            ("back", 502, "the agent does not serve this target"),
        ] {
            let refused = Request::get(path(cluster, service, "/"));
            let (refused, body) = ask(&admin, refused, Vec::new()).await;
            let body = String::from_utf8_lossy(&body);
            assert!(
                refused == code && body.contains(why) && body.contains("\"kind\":\"Status\""),
                "{cluster} {service}: {refused} {body}"
            );
        }
    }
}

#[tokio::test]
async fn a_service_takes_its_own_right_at_the_hub() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    ADDRESS.get_or_init(|| services(&stage)).await;
    let user = stage.hub().client_as("visitor", &[]).unwrap();
    let front = || Request::get(path(SPOKE, "front", "/"));
    // A user who may use the cluster's API server may not use its services yet.
    permit(&stage, "clustergateways/proxy").await;
    let proxy = format!("{GATEWAYS}/{SPOKE}/proxy/readyz");
    let allowed = || async {
        match ask(&user, Request::get(&proxy), Vec::new()).await {
            (200, _) => Ok(()),
            (code, body) => Err(format!("{code} {}", String::from_utf8_lossy(&body))),
        }
    };
    eventually(SOON, "the right to the proxy", allowed)
        .await
        .unwrap();
    let (code, body) = ask(&user, front(), Vec::new()).await;
    let body = String::from_utf8_lossy(&body);
    assert!(
        code == 403 && body.contains("clustergateways/services"),
        "{code} {body}"
    );

    permit(&stage, "clustergateways/services").await;
    let allowed = || async {
        match ask(&user, front(), Vec::new()).await {
            (200, body) => Ok(body),
            (code, body) => Err(format!("{code} {}", String::from_utf8_lossy(&body))),
        }
    };
    let greeting = eventually(SOON, "the right to services", allowed)
        .await
        .unwrap();
    assert_eq!(greeting, b"hello from web-pod\n");
}

/// Creates three headless Services of one pod, whose names the agents can resolve. Returns the
/// pod's address.
async fn services(stage: &Stage) -> String {
    let labels = json!({"app": "services"});
    let mut pod = pod("web-pod", &["serve", &PORT.to_string()]);
    pod["metadata"]["labels"] = labels.clone();
    stage.run(&pod).await;
    let mut addresses = Vec::new();
    for name in ["front", "back", "side"] {
        stage
            .apply(&json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
                "spec": {"clusterIP": "None", "selector": labels, "ports": [{"port": PORT}]},
            }))
            .await;
        let of_service = format!("-l=kubernetes.io/service-name={name}");
        let first = "-o=jsonpath={.items[*].endpoints[?(@.conditions.ready)].addresses[0]}";
        let slices = || async {
            let get = ["get", "endpointslices", &of_service, first];
            match stage.kubectl(&get).ok().await {
                Ok(address) if !address.is_empty() => Ok(address),
                other => Err(format!("{other:?}")),
            }
        };
        let address = eventually(SOON, "a ready endpoint", slices).await.unwrap();
        addresses.push((format!("{name}.default.svc"), address));
    }
    let names: Vec<_> = addresses
        .iter()
        .map(|(name, address)| (name.as_str(), address.as_str()))
        .collect();
    stage.resolve(&names);
    addresses.swap_remove(0).1
}

async fn permit(stage: &Stage, resource: &str) {
    let name = resource.replace('/', "-");
    let rbac = "rbac.authorization.k8s.io";
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": name},
            "rules": [{
                "apiGroups": ["cluster.core.oam.dev"], "resources": [resource], "verbs": ["get"],
            }],
        },
        {
            "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": "visitor"}],
        },
    ]});
    let apply = stage.hub().kubectl(&["apply", "-f", "-"]);
    apply.stdin(objects.to_string()).ok().await.unwrap();
}

fn path(cluster: &str, service: &str, tail: &str) -> String {
    format!("{GATEWAYS}/{cluster}/services/default/{service}:{PORT}{tail}")
}

/// Status and body.
async fn ask(client: &Client, request: http::request::Builder, body: Vec<u8>) -> (u16, Vec<u8>) {
    let request = request.body(Body::from(body)).unwrap();
    let response = client.send(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect_bytes().await.unwrap();
    (status, body.to_vec())
}
