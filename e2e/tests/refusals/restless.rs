//! An API server that closes connections in good order, as those behind load balancers do. No
//! request is lost by that.

use futures::future::join_all;
use http::{Method, Request};
use kube::client::Body;
use serde_json::json;

use super::{Stage, answer::Answer, proxy};

/// How many callers there are at the same time, and how often each of them writes.
const CALLERS: usize = 20;
const ROUNDS: usize = 25;
const CALLER: [(&str, &str); 2] = [
    ("x-remote-user", "admin"),
    ("x-remote-group", "system:masters"),
];

#[tokio::test]
async fn no_request_is_lost_while_the_api_server_closes_connections() {
    let stage = Stage::shared().await;
    let client = &stage.as_hub();
    let send = |method: Method, path: String, body: String| async move {
        let mut request = Request::builder().method(&method).uri(&path);
        for (name, value) in CALLER {
            request = request.header(name, value);
        }
        let kind = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = request
            .header("content-type", kind)
            .body(Body::from(body.into_bytes()));
        let answer = Answer::read(client.send(request.unwrap()).await.unwrap()).await;
        (!(200..300).contains(&answer.code)).then(|| format!("{method} {path}: {answer:?}"))
    };
    let lost = join_all((0..CALLERS).map(|caller| async move {
        let mut lost = Vec::new();
        for round in 0..ROUNDS {
            let all = proxy("restless", "/api/v1/namespaces/default/configmaps");
            let (name, one) = (
                format!("c{caller}-{round}"),
                format!("{all}/c{caller}-{round}"),
            );
            let object = json!({"metadata": {"name": name}, "data": {"a": "b"}}).to_string();
            let patch = json!({"data": {"a": "c"}}).to_string();
            lost.extend(send(Method::POST, all, object).await);
            lost.extend(send(Method::PATCH, one.clone(), patch).await);
            lost.extend(send(Method::GET, one.clone(), String::new()).await);
            lost.extend(send(Method::DELETE, one, String::new()).await);
        }
        lost
    }));
    let lost = lost.await.concat();
    assert!(
        lost.is_empty(),
        "{} are lost: {:?}",
        lost.len(),
        lost.first()
    );
}
