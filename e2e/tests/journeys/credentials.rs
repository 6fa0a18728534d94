//! A managed cluster's credential changes or is removed while requests are in flight.

use std::{cell::Cell, time::Duration};

use e2e::{Cluster, Credentials, Gateway, SpokeOptions, eventually};
use futures::future::join_all;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use tokio::join;

use crate::{
    SOON,
    door::{Caller, Door},
    managed::{config_map, create_namespace},
    proxy,
};

const NAMESPACE: &str = "rotation";
const CALLERS: usize = 4;
const ROTATIONS: &[&str] = &["second", "third", "fourth"];
const REQUESTS_BETWEEN: u32 = 50;
const TOKEN_TTL: Duration = Duration::from_hours(1);

/// A token of a service account of this name, which is cluster-admin on the spoke.
async fn token(spoke: &Cluster, account: &str) -> Credentials {
    let token = spoke
        .service_account_token(NAMESPACE, account, TOKEN_TTL)
        .await
        .unwrap();
    let account_ = format!("--serviceaccount={NAMESPACE}:{account}");
    let name = format!("{NAMESPACE}-{account}");
    let args = [
        "create",
        "clusterrolebinding",
        &name,
        "--clusterrole=cluster-admin",
        &account_,
    ];
    spoke.kubectl(&args).ok().await.unwrap();
    Credentials::Token(token)
}

/// The gateway's user name on the spoke.
async fn account(door: &Door, cluster: &str) -> String {
    let path = proxy(cluster, "/apis/authentication.k8s.io/v1/selfsubjectreviews");
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let body = review.to_string().into_bytes();
    let answer = door
        .send(Caller::Master, Method::POST, &path, body)
        .await
        .unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap();
    let user = review["status"]["userInfo"]["username"].as_str();
    user.unwrap_or_default()
        .rsplit(':')
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_rotated_token_takes_effect_without_a_failed_request() {
    let gateway = Gateway::shared().await;
    let spoke = gateway.world.cluster("managed1");
    create_namespace(spoke.client(), NAMESPACE).await;
    let options = SpokeOptions {
        name: Some("rotated".to_owned()),
        credentials: Some(token(spoke, "first").await),
        ..SpokeOptions::default()
    };
    gateway.register_spoke(spoke, options).await.unwrap();
    let door = Door::open(&gateway).await;
    let maps = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let mut watch = door
        .watch(&proxy("rotated", &format!("{maps}?watch=true")))
        .await;

    let (done, sent) = (Cell::new(false), Cell::new(0_u32));
    let path = proxy("rotated", &maps);
    let callers = (0..CALLERS).map(async |_| {
        while !done.get() {
            let (code, body) = door.get(&path).await;
            assert_eq!(code, StatusCode::OK, "{body}");
            sent.set(sent.get() + 1);
        }
    });
    let rotate = async {
        for &next in ROTATIONS {
            let (credentials, ca_pem) = (token(spoke, next).await, spoke.ca_pem());
            let written = gateway.write_spoke("rotated", spoke.url(), &ca_pem, &credentials);
            written.await.unwrap();
            eventually(SOON, next, || async {
                let now = account(&door, "rotated").await;
                if now == next { Ok(()) } else { Err(now) }
            })
            .await
            .unwrap();
            let more = sent.get() + REQUESTS_BETWEEN;
            eventually(SOON, "requests with the new token", || async {
                if sent.get() >= more {
                    Ok(())
                } else {
                    Err(sent.get())
                }
            })
            .await
            .unwrap();
        }
        done.set(true);
    };
    join!(join_all(callers), rotate);
    println!(
        "{} requests during {} rotations",
        sent.get(),
        ROTATIONS.len()
    );

    // This watch began with the first token, and has not been cut since.
    let api = Api::<ConfigMap>::namespaced(spoke.client(), NAMESPACE);
    api.create(&PostParams::default(), &config_map("late", "x"))
        .await
        .unwrap();
    watch.sees("late").await;
}

#[tokio::test]
async fn a_deleted_secret_is_an_unknown_cluster() {
    let gateway = Gateway::shared().await;
    let spoke = gateway.world.cluster("managed1");
    let options = SpokeOptions {
        name: Some("passing".to_owned()),
        ..SpokeOptions::default()
    };
    gateway.register_spoke(spoke, options).await.unwrap();
    let door = Door::open(&gateway).await;
    let path = proxy("passing", "/healthz");
    assert_eq!(door.get(&path).await, (StatusCode::OK, "ok".to_owned()));

    gateway.unregister_spoke("passing").await.unwrap();
    let told = eventually(SOON, "404", || async {
        let (code, body) = door.get(&path).await;
        if code == StatusCode::NOT_FOUND {
            Ok(body)
        } else {
            Err(code)
        }
    });
    let told: Value = serde_json::from_str(&told.await.unwrap()).unwrap();
    assert_eq!(
        (&told["kind"], &told["reason"]),
        (&json!("Status"), &json!("NotFound"))
    );
    assert_eq!(told["details"]["name"], "passing");
    let kubectl = gateway
        .hub()
        .kubectl(&["get", "--raw", &path])
        .run()
        .await
        .unwrap();
    assert!(kubectl.stderr.contains("(NotFound)"), "{kubectl}");
}
