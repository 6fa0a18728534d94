//! How long an answer may be silent. The managed cluster is a server in memory.

use std::{convert::Infallible, future::pending};

use futures::{StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::{client::conn::http1, server::conn::http1 as server1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{io::duplex, task::JoinSet, time::timeout};

use super::*;

/// An answer of so many parts, each after such a pause, that does not end. What moves it must be held.
async fn answer(parts: u32, pause: Duration) -> (UpstreamBody, JoinSet<()>) {
    let (near, far) = duplex(1024);
    let mut moving = JoinSet::new();
    moving.spawn(async move {
        let service = service_fn(|_request| async move {
            let parts = stream::iter(0..parts).then(move |_| async move {
                sleep(pause).await;
                Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"part")))
            });
            let body = StreamBody::new(Box::pin(parts.chain(stream::once(pending()))));
            Ok::<_, Infallible>(Response::new(body))
        });
        let server = server1::Builder::new();
        let _ = server.serve_connection(TokioIo::new(far), service).await;
    });
    let (mut sender, connection) = http1::handshake(TokioIo::new(near)).await.unwrap();
    moving.spawn(async move {
        let _ = connection.await;
    });
    let request = Request::new(Empty::<Bytes>::new());
    let body = sender.send_request(request).await.unwrap().into_body();
    moving.spawn(async move {
        let _sender = sender;
        pending::<()>().await;
    });
    (UpstreamBody::new(body, None, Counter::default()), moving)
}

/// How many parts come before it breaks off, and why it does.
async fn read(body: UpstreamBody) -> (usize, BodyError) {
    let (mut body, mut parts) = (Body::Upstream(body), 0);
    loop {
        match body.frame().await.unwrap() {
            Ok(_) => parts += 1,
            Err(error) => return (parts, error),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_breaks_off_if_nothing_comes_for_long_and_not_because_it_is_long() {
    let (mut body, _moving) = answer(20, SILENCE * 2 / 3).await;
    body.must_flow();
    let began = Instant::now();
    let (parts, error) = read(body).await;
    assert!(matches!(error, BodyError::Silent), "{error}");
    assert_eq!(parts, 20);
    let (took, last) = (began.elapsed(), SILENCE * 2 / 3 * 20);
    let wanted = last + SILENCE..=last + SILENCE * 2;
    assert!(wanted.contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_meant_to_last_may_be_silent() {
    let (body, _moving) = answer(1, SILENCE * 100).await;
    let hours = timeout(Duration::from_hours(9), read(body)).await;
    assert!(hours.is_err());
}
