//! Uploads that are refused before they have ended.

use http_body_util::Full;
use hyper::{client::conn::http2, server::conn::http2 as server2};
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;

use super::*;

/// More than all windows on the way.
const LARGE: usize = 8 << 20;

/// The answer to a caller who uploads so many bytes over HTTP/2.
pub(super) async fn upload(clusters: &Arc<Clusters>, path: &str, bytes: usize) -> (u16, String) {
    let proxy = Arc::new(proxy(clusters, None));
    let (caller, gateway) = duplex(1 << 16);
    let question = Arc::new(Question {
        user: alice(),
        action: Action::of(Verb::Create, "proxy", &NAME.parse().unwrap()),
    });
    let forward = service_fn(move |request: Request<Incoming>| {
        let (proxy, question) = (Arc::clone(&proxy), Arc::clone(&question));
        async move {
            let call = Call {
                question: &question,
                to: Destination {
                    cluster: NAME.parse().unwrap(),
                    service: None,
                    tail_length: request.uri().path().len(),
                },
                pending: None,
            };
            Ok::<_, Infallible>(proxy.forward(request, call).await)
        }
    });
    let server = server2::Builder::new(TokioExecutor::new());
    let mut moving = JoinSet::new();
    moving.spawn(async move {
        let _ = server
            .serve_connection(TokioIo::new(gateway), forward)
            .await;
    });
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(caller));
    let (mut sender, connection) = handshake.await.unwrap();
    moving.spawn(async move {
        let _ = connection.await;
    });
    let body = Full::new(Bytes::from(vec![b'x'; bytes]));
    let request = Request::post(format!("https://hub{path}"))
        .body(body)
        .unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status.as_u16(),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn an_upload_that_is_refused_early_keeps_its_answer() {
    let (spoke, clusters) = (Spoke::start("good").await, clusters());
    spoke.has_token(&clusters, "good");
    for _ in 0..20 {
        let answer = upload(&clusters, "/too-large", LARGE).await;
        assert_eq!(answer, (413, "too large".to_owned()));
    }
}
