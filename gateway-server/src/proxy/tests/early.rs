//! Uploads that are refused before they have ended.

use futures::{StreamExt as _, stream};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use hyper::{client::conn::http2, server::conn::http2 as server2};
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;

use super::*;

/// More than all windows on the way.
const LARGE: usize = 8 << 20;

/// The answer to a caller who uploads so many bytes over HTTP/2.
pub(super) async fn upload(clusters: &Arc<Clusters>, path: &str, bytes: usize) -> (u16, String) {
    let body = Full::new(Bytes::from(vec![b'x'; bytes]));
    upload_of(clusters, path, body).await
}

/// The answer to a caller who uploads this over HTTP/2.
async fn upload_of<B>(clusters: &Arc<Clusters>, path: &str, body: B) -> (u16, String)
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
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

/// Lets this time pass.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// The phase in which a request was refused.
fn phase((code, body): &(u16, String)) -> (u16, String) {
    let status: serde_json::Value = serde_json::from_str(body).unwrap();
    let phase = status["details"]["causes"][0]["reason"].as_str();
    (*code, phase.unwrap().to_owned())
}

#[tokio::test]
async fn a_caller_that_stalls_is_told_so_and_the_cluster_is_not_blamed() {
    let (spoke, clusters) = (Spoke::start("good").await, clusters());
    spoke.has_token(&clusters, "good");
    let part = |bytes| Ok::<_, Infallible>(Frame::data(Bytes::from_static(bytes)));
    let stalled = stream::iter([part(b"first")]).chain(stream::pending());
    let body = StreamBody::new(Box::pin(stalled));
    let mut answer = Box::pin(upload_of(&clusters, "/echo", body));
    let seen = async {
        while spoke.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        pass(deadlines::NEXT_PART).await;
    };
    let answer = tokio::select! {
        answer = &mut answer => answer,
        () = async { seen.await; std::future::pending().await } => unreachable!(),
    };
    assert_eq!(phase(&answer), (504, "RequestBody".to_owned()));
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_late_after_it_has_everything() {
    let (spoke, clusters) = (Spoke::start("good").await, clusters());
    spoke.has_token(&clusters, "good");
    let mut answer = Box::pin(upload(&clusters, "/silent", 10));
    let seen = async {
        while spoke.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        pass(HEAD_DEADLINE).await;
    };
    let answer = tokio::select! {
        answer = &mut answer => answer,
        () = async { seen.await; std::future::pending().await } => unreachable!(),
    };
    assert_eq!(phase(&answer), (504, "Response".to_owned()));
}
