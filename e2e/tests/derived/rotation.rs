//! Tokens are rotated under load, and old ones become invalid early. Callers notice nothing.

use std::cell::Cell;

use e2e::eventually;
use futures::future::join_all;
use http::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::DeleteParams, client::Body};
use serde_json::json;
use tokio::join;

use crate::stage::{SOON, Stage, apply, proxy, read};

const CALLERS: usize = 4;
const ROTATIONS: u32 = 3;
const REQUESTS_BETWEEN: u32 = 100;

#[tokio::test]
async fn tokens_revoked_before_they_are_replaced_fail_no_request() {
    let stage = Stage::shared().await;
    stage.register("rotated", &[stage.spoke().url()]).await;
    stage.project("rotated", "rotated").await;
    stage.answers("rotated", 200, "default").await;
    let hub = stage.hub();
    let maps = "/api/v1/namespaces/default/configmaps";
    let watch = proxy("rotated", &format!("{maps}?watch=true"));
    let mut watch = hub.kubectl(&["get", "--raw", &watch]).spawn().unwrap();

    let (done, sent) = (Cell::new(false), Cell::new(0_u32));
    let path = proxy("rotated", maps);
    let callers = (0..CALLERS).map(async |_| {
        let client = hub.client();
        while !done.get() {
            let request = Request::get(&path).body(Body::empty()).unwrap();
            let (code, body) = read(client.send(request).await.unwrap()).await;
            assert_eq!(code, 200, "{body}");
            sent.set(sent.get() + 1);
        }
    });
    let more = async |what: &str| {
        let enough = sent.get() + REQUESTS_BETWEEN;
        let enough = || {
            std::future::ready(if sent.get() >= enough {
                Ok(())
            } else {
                Err(sent.get())
            })
        };
        eventually(SOON, what, enough).await.unwrap();
    };
    let rotate = async {
        for _ in 0..ROTATIONS {
            stage.revoke("rotated").await;
            stage.spoke_rejects("rotated").await;
            stage.project("rotated", "rotated").await;
            more("requests with the new token").await;
        }
        done.set(true);
    };
    join!(join_all(callers), rotate);
    println!("{} requests during {ROTATIONS} rotations", sent.get());

    // This watch began with the first token, and has not been cut since.
    let spoke = Api::<ConfigMap>::namespaced(stage.spoke().client(), "default");
    apply(&spoke, "after-rotation", json!({})).await;
    let seen = watch.line_with("after-rotation", SOON).await.unwrap();
    assert!(seen.is_some(), "the watch was cut");
    spoke
        .delete("after-rotation", &DeleteParams::default())
        .await
        .unwrap();
    watch.kill().await;
}
