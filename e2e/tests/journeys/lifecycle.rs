//! The gateway's own life: its certificate is replaced, it is told to end, and its hub goes away.

use std::{fs, io::ErrorKind, time::Duration};

use e2e::{Cluster, Gateway, GatewayOptions, SpokeOptions, World, eventually};
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::Value;
use tokio::{join, net::TcpStream, time::timeout};

use crate::{
    SOON,
    door::{Caller, Door},
    managed::{config_map, create_namespace, permit},
    proxy,
};

/// The length of the watch that a drain must wait for, in seconds.
const WATCH_SECONDS: u64 = 10;

#[tokio::test]
async fn a_replaced_serving_certificate_is_served_without_a_restart() {
    let gateway = Gateway::shared().await;
    let (pid, before) = (gateway.process().pid(), Door::open(&gateway).await);
    let sans = ["localhost", "127.0.0.1", "gateway.spokeway-system.svc"];
    let pair = gateway.authority().issue_server(&sans).unwrap();
    fs::write(gateway.directory().join("serving.key"), &pair.key).unwrap();
    fs::write(gateway.directory().join("serving.crt"), &pair.certificate).unwrap();

    let after = eventually(SOON, "the new certificate", || async {
        let door = Door::open(&gateway).await;
        if door.certificate() == before.certificate() {
            Err("the old one")
        } else {
            Ok(door)
        }
    });
    let after = after.await.unwrap();
    for door in [&before, &after] {
        let answer = door.get(&proxy("managed1", "/healthz")).await;
        assert_eq!(answer, (StatusCode::OK, "ok".to_owned()));
    }
    assert_eq!(gateway.process().pid(), pid);
    let raw = ["get", "--raw", &proxy("managed1", "/healthz")];
    assert_eq!(gateway.hub().kubectl(&raw).ok().await.unwrap(), "ok");
}

#[tokio::test]
async fn sigterm_lets_what_is_in_flight_finish_and_takes_nothing_new() {
    let world = World::builder().cluster("solo").start().await.unwrap();
    let solo = world.cluster("solo");
    let gateway = Gateway::start(solo, GatewayOptions::default())
        .await
        .unwrap();
    gateway
        .register_spoke(solo, SpokeOptions::default())
        .await
        .unwrap();
    let door = Door::open(&gateway).await;
    let path =
        format!("/api/v1/namespaces/default/configmaps?watch=true&timeoutSeconds={WATCH_SECONDS}");
    let mut watch = door.watch(&proxy("solo", &path)).await;

    let drains = async {
        let address = gateway.url().replace("https://", "");
        eventually(SOON, "new connections to be refused", || async {
            match TcpStream::connect(&address).await {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        })
        .await
        .unwrap();
        assert!(gateway.process().pid().is_some());
        let maps = Api::<ConfigMap>::namespaced(solo.client(), "default");
        maps.create(&PostParams::default(), &config_map("late", "x"))
            .await
            .unwrap();
        watch.sees("late").await;
        watch.ended(Duration::from_secs(WATCH_SECONDS)).await;
    };
    let (status, ()) = join!(gateway.stop(), drains);
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn sigterm_makes_it_unready_first_and_requests_come_in_until_endpoints_have_moved() {
    let world = World::builder().cluster("solo").start().await.unwrap();
    let solo = world.cluster("solo");
    let options = GatewayOptions {
        args: vec!["--shutdown-delay=10".to_owned()],
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(solo, options).await.unwrap();
    gateway
        .register_spoke(solo, SpokeOptions::default())
        .await
        .unwrap();
    let before = Door::open(&gateway).await;
    assert_eq!(before.get("/readyz").await.0, StatusCode::OK);
    let leaves = async {
        let unready = eventually(SOON, "it to say that it is not ready", || async {
            match before.get("/readyz").await {
                (StatusCode::OK, _) => Err("it is ready"),
                _ => Ok(()),
            }
        });
        unready.await.unwrap();
        // Who does not know that yet comes nevertheless.
        let late = Door::open(&gateway).await;
        let answer = late.get(&proxy("solo", "/healthz")).await;
        assert_eq!(answer, (StatusCode::OK, "ok".to_owned()));
    };
    let (status, ()) = join!(gateway.stop(), leaves);
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_watch_ends_if_the_hub_no_longer_lets_its_caller_use_the_gateway() {
    let gateway = Gateway::shared().await;
    let hub = gateway.hub();
    let door = Door::open(&gateway).await;
    permit(hub, "leaving").await;
    let leaving = Caller::User("leaving");
    let path = proxy(
        "managed1",
        "/api/v1/namespaces/default/configmaps?watch=true",
    );
    let begun = || async {
        let answer = door.send(leaving, Method::GET, &path, Vec::new()).await;
        let answer = answer.unwrap();
        match answer.status() {
            StatusCode::OK => Ok(answer),
            other => Err(other),
        }
    };
    let watch = eventually(SOON, "the watch begins", begun).await.unwrap();
    let mut events = watch.into_body();
    events.frame().await.unwrap().unwrap();
    let delete = ["delete", "clusterrolebinding", "read-leaving"];
    hub.kubectl(&delete).ok().await.unwrap();
    let rest = async { while events.frame().await.is_some_and(|it| it.is_ok()) {} };
    timeout(SOON * 3, rest).await.expect("the watch ends");
    let (code, body) = door.get_as(leaving, &path).await;
    assert_eq!(code, StatusCode::FORBIDDEN, "{body}");
    assert!(body.contains("cannot get resource"), "{body}");
}

#[tokio::test]
async fn requests_go_on_while_the_hub_is_away() {
    let shared = World::shared().await;
    let spoke = shared.cluster("managed1");
    create_namespace(spoke.client(), "hub-away").await;
    let world = World::builder().cluster("hub").start().await.unwrap();
    let hub = world.cluster("hub");
    let gateway = Gateway::start(hub, GatewayOptions::default())
        .await
        .unwrap();
    gateway
        .register_spoke(spoke, SpokeOptions::default())
        .await
        .unwrap();
    let door = Door::open(&gateway).await;
    let [known, stranger] = [Caller::User("known"), Caller::User("stranger")];
    let maps = proxy("managed1", "/api/v1/namespaces/hub-away/configmaps");
    let mut watch = door.watch(&format!("{maps}?watch=true")).await;
    permit(hub, "known").await;
    let allowed = eventually(SOON, "the hub to know its RBAC", || async {
        match door.get_as(known, &maps).await {
            (StatusCode::OK, _) => Ok(()),
            (_, refusal) => Err(refusal),
        }
    });
    allowed.await.unwrap();

    hub.stop_apiserver();
    let (code, body) = door.get_as(known, &maps).await;
    assert_eq!(code, StatusCode::OK, "{body}");
    let (code, body) = door.get(&maps).await;
    assert_eq!(code, StatusCode::OK, "{body}");
    let api = Api::<ConfigMap>::namespaced(spoke.client(), "hub-away");
    api.create(&PostParams::default(), &config_map("meanwhile", "x"))
        .await
        .unwrap();
    watch.sees("meanwhile").await;
    let (code, body) = door.get_as(stranger, &maps).await;
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    let refusal: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(refusal["details"]["retryAfterSeconds"], 1);

    hub.start_apiserver().await.unwrap();
    recovers(hub, spoke, &gateway).await;
    let (code, body) = door.get_as(stranger, &maps).await;
    assert_eq!(code, StatusCode::FORBIDDEN, "{body}");
    api.create(&PostParams::default(), &config_map("afterwards", "x"))
        .await
        .unwrap();
    watch.sees("afterwards").await;
}

/// Checks that everything works again through the hub, and that changes of Secrets arrive.
async fn recovers(hub: &Cluster, spoke: &Cluster, gateway: &Gateway) {
    let options = SpokeOptions {
        name: Some("newcomer".to_owned()),
        ..SpokeOptions::default()
    };
    eventually(
        Duration::from_secs(30),
        "the hub to serve our group again",
        || gateway.register_spoke(spoke, options.clone()),
    )
    .await
    .unwrap();
    for cluster in ["managed1", "newcomer"] {
        let raw = ["get", "--raw", &proxy(cluster, "/healthz")];
        assert_eq!(hub.kubectl(&raw).ok().await.unwrap(), "ok");
    }
}
