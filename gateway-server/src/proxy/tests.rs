//! Which requests are sent a second time, which are not, and in whose name. The managed API server
//! is a stub on loopback that speaks TLS and HTTP/2 or HTTP/1.1.

mod early;
pub(crate) mod spoke;
mod untaken;

use std::{convert::Infallible, num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use crds::gateway::AccessGrant;
use http::Method;
use http_body_util::{BodyExt as _, Full};
use hyper::{client::conn::http1, server::conn::http1 as server1, service::service_fn};
use hyper_util::rt::TokioIo;
use prometheus_client::registry::Registry;
use tokio::{io::duplex, sync::Notify};
use tokio_util::task::TaskTracker;

use self::spoke::Spoke;
use super::*;
use crate::{
    authentication::User,
    authorization::Action,
    breaker::Tripping,
    clusters::Clusters,
    ending::Ending,
    grants::{applied, grant},
    metrics::Gauge,
    seats::{Limits, tests::LIMITS as SMALL_LIMITS},
};

const NAME: &str = "managed1";
const LIMITS: Limits = Limits {
    requests_per_user: 1,
    long_requests: 1,
    upgrades_per_user: 1,
    upgrades: 1,
    ..SMALL_LIMITS
};

const HEAD_DEADLINE: Duration = Duration::from_secs(10);
const TRIPPING: Tripping = Tripping {
    failures: NonZeroU32::new(3).unwrap(),
    longest_pause: Duration::from_secs(5),
};

/// What a caller sends.
struct Sent {
    method: Method,
    body: &'static str,
}

/// The answer to a caller of a gateway that has these clusters and no identities.
async fn call(clusters: &Arc<Clusters>, method: Method, body: &'static str) -> (u16, String) {
    let (code, body) = call_by(clusters, None, Sent { method, body }, "/api", &|| {}).await;
    (code, body.unwrap())
}

fn alice() -> User {
    User {
        name: "alice".to_owned(),
        uid: "uid-of-alice".to_owned(),
        groups: vec!["dev".to_owned(), "system:authenticated".to_owned()],
        extra: [("scopes".to_owned(), vec!["all".to_owned()])].into(),
    }
}

fn proxy(clusters: &Arc<Clusters>, grants: Option<&Arc<Grants>>) -> Proxy {
    let outbound = Outbound {
        clusters: Arc::clone(clusters),
        authenticator: Arc::default(),
        head_deadline: HEAD_DEADLINE,
        tripping: Some(TRIPPING),
        tasks: TaskTracker::new(),
        ending: Ending::default(),
    };
    Proxy {
        outbound,
        grants: grants.cloned(),
        metrics: Metrics::register(&mut Registry::default()),
        hall: Arc::new(Hall::new(LIMITS, Gauge::default())),
        exposed: BTreeSet::new(),
    }
}

/// The answer to alice, a developer; the body is `None` if it broke off. `begun` is called with
/// each part of the body.
async fn call_by(
    clusters: &Arc<Clusters>,
    grants: Option<&Arc<Grants>>,
    sent: Sent,
    path: &str,
    begun: &(dyn Fn() + Sync),
) -> (u16, Option<String>) {
    call_through(&proxy(clusters, grants), sent, path, begun).await
}

/// The same through a gateway that other calls go through, too.
async fn call_through(
    proxy: &Proxy,
    sent: Sent,
    path: &str,
    begun: &(dyn Fn() + Sync),
) -> (u16, Option<String>) {
    let (caller, gateway) = duplex(1 << 16);
    let action = Action::of(Verb::Get, "proxy", &NAME.parse().unwrap());
    let question = Arc::new(Question {
        user: alice(),
        action,
    });
    let forward = service_fn(|request: Request<Incoming>| {
        let call = Call {
            question: &question,
            to: Destination {
                cluster: NAME.parse().unwrap(),
                service: None,
                tail_length: request.uri().path().len(),
            },
            pending: None,
        };
        async move { Ok::<_, Infallible>(proxy.forward(request, call).await) }
    });
    let serving = server1::Builder::new().serve_connection(TokioIo::new(gateway), forward);
    let calling = async {
        let io = TokioIo::new(caller);
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        let request = Request::builder().method(sent.method).uri(path);
        let request = request
            .header("host", "hub")
            .body(Full::new(Bytes::from_static(sent.body.as_bytes())))
            .unwrap();
        let answer = async {
            let (head, mut body) = sender.send_request(request).await.unwrap().into_parts();
            let mut said = Vec::new();
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else {
                    return (head.status.as_u16(), None);
                };
                said.extend_from_slice(frame.data_ref().unwrap());
                begun();
            }
            (head.status.as_u16(), Some(String::from_utf8(said).unwrap()))
        };
        tokio::select! {
            answer = answer => answer,
            ended = connection => {
                ended.expect_err("the gateway hung up");
                (200, None)
            }
        }
    };
    tokio::select! {
        answer = calling => answer,
        ended = serving => {
            ended.expect_err("the caller hung up");
            (200, None)
        }
    }
}

fn clusters() -> Arc<Clusters> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Arc::new(Clusters::at_addresses())
}

#[tokio::test]
async fn a_rejected_get_is_sent_again_with_the_token_that_comes() {
    let (spoke, clusters) = (Spoke::start("new").await, clusters());
    spoke.has_token(&clusters, "old");
    let renew = async {
        while spoke.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        spoke.has_token(&clusters, "new");
    };
    let (answer, ()) = tokio::join!(call(&clusters, Method::GET, ""), renew);
    assert_eq!(answer, (200, "ok".to_owned()));
    assert_eq!(spoke.seen(), ["Bearer old", "Bearer new"]);
}

#[tokio::test]
async fn a_rejected_get_is_sent_twice_at_most() {
    let (spoke, clusters) = (Spoke::start("none of these").await, clusters());
    spoke.has_token(&clusters, "old");
    let renew = async {
        while spoke.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        spoke.has_token(&clusters, "new");
    };
    let (answer, ()) = tokio::join!(call(&clusters, Method::GET, ""), renew);
    assert!(answer.0 == 502 && answer.1.contains(NAME), "{answer:?}");
    assert_eq!(spoke.seen(), ["Bearer old", "Bearer new"]);
}

#[tokio::test]
async fn what_has_a_small_body_is_sent_again_with_the_token_that_comes() {
    let (spoke, clusters) = (Spoke::start("new").await, clusters());
    spoke.has_token(&clusters, "old");
    let renew = async {
        while spoke.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        spoke.has_token(&clusters, "new");
    };
    let echo = Sent {
        method: Method::POST,
        body: "body",
    };
    let call = call_by(&clusters, None, echo, "/echo", &|| {});
    let (answer, ()) = tokio::join!(call, renew);
    assert_eq!(answer, (200, Some("body".to_owned())));
    assert_eq!(spoke.seen(), ["Bearer old", "Bearer new"]);
}

#[tokio::test]
async fn a_get_that_meets_the_end_of_a_kept_connection_is_sent_on_a_new_one() {
    let (spoke, clusters) = (Spoke::answering("http/1.1", "good", 1).await, clusters());
    spoke.has_token(&clusters, "good");
    for _ in 0..3 {
        let answer = call(&clusters, Method::GET, "").await;
        assert_eq!(answer, (200, "ok".to_owned()));
    }
    assert_eq!(spoke.seen().len(), 1 + 2 + 2);
    // What has a body may have been carried out.
    let (code, body) = call(&clusters, Method::POST, "body").await;
    assert_eq!(code, 502);
    assert!(body.contains("try again"), "{body}");
    assert_eq!(spoke.seen().len(), 6);
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_answers_every_request() {
    let (spoke, clusters) = (Spoke::closing("good").await, clusters());
    spoke.has_token(&clusters, "good");
    for _ in 0..3 {
        for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
            let answer = call(&clusters, method, "").await;
            assert_eq!(answer, (200, "ok".to_owned()));
        }
    }
    assert_eq!(spoke.seen().len(), 12);
}

#[tokio::test]
async fn a_get_that_meets_the_end_of_a_new_connection_is_not_sent_again() {
    let (spoke, clusters) = (Spoke::answering("http/1.1", "good", 0).await, clusters());
    spoke.has_token(&clusters, "good");
    // The first connection, which shows that there is no HTTP/2, was opened for all who wait.
    assert_eq!(call(&clusters, Method::GET, "").await.0, 502);
    assert_eq!(spoke.seen().len(), 2);
    assert_eq!(call(&clusters, Method::GET, "").await.0, 502);
    assert_eq!(spoke.seen().len(), 3);
}

const GET: Sent = Sent {
    method: Method::GET,
    body: "",
};

fn grant_to_alice() -> AccessGrant {
    applied("g", &["user:alice", "group:dev", "group:ops"])
}

fn granted(clusters: &Arc<Clusters>) -> Arc<Grants> {
    Arc::new(Grants::of(Arc::clone(clusters), &[grant_to_alice()]))
}

#[tokio::test]
async fn every_attempt_says_whom_it_acts_as() {
    for protocol in ["h2", "http/1.1"] {
        let (spoke, clusters) = (Spoke::speaking(protocol, "new").await, clusters());
        let grants = granted(&clusters);
        spoke.has_token(&clusters, "old");
        let renew = async {
            while spoke.seen().is_empty() {
                tokio::task::yield_now().await;
            }
            spoke.has_token(&clusters, "new");
        };
        let get = call_by(&clusters, Some(&grants), GET, "/api", &|| {});
        let (answer, ()) = tokio::join!(get, renew);
        assert_eq!(answer, (200, Some("ok".to_owned())), "{protocol}");
        let post = call_by(
            &clusters,
            Some(&grants),
            Sent {
                method: Method::POST,
                body: "body",
            },
            "/api",
            &|| {},
        );
        assert_eq!(post.await.0, 200);
        let group = grant_to_alice().group();
        let alice = format!("impersonate-user=hub:alice impersonate-group={group}");
        let seen = ["old", "new", "new"].map(|token| format!("Bearer {token} {alice}"));
        assert_eq!(spoke.seen(), seen, "{protocol}");
    }
}

#[tokio::test]
async fn who_may_not_yet_is_told_so_and_nothing_is_sent() {
    let (spoke, clusters) = (Spoke::start("good").await, clusters());
    spoke.has_token(&clusters, "good");
    let grant = grant("g", &["user:alice"], &[(NAME, "Pending/Bringing")]);
    let grants = Arc::new(Grants::of(Arc::clone(&clusters), &[grant]));
    let (code, body) = call_by(&clusters, Some(&grants), GET, "/api", &|| {}).await;
    let status: serde_json::Value = serde_json::from_str(&body.unwrap()).unwrap();
    assert_eq!((code, &status["reason"]), (403, &"Forbidden".into()));
    assert_eq!(status["details"]["name"], NAME);
    let message = status["message"].as_str().unwrap();
    assert!(
        message.ends_with("Bringing; see `kubectl describe accessgrant g`"),
        "{message}"
    );
    assert!(spoke.seen().is_empty());
}

#[tokio::test]
async fn a_cut_ends_a_watch_in_good_order_and_breaks_anything_else_that_lasts() {
    let watch = "/api/v1/pods?watch=true";
    let log = "/api/v1/namespaces/a/pods/b/log";
    for protocol in ["h2", "http/1.1"] {
        let (spoke, clusters) = (Spoke::speaking(protocol, "good").await, clusters());
        spoke.has_token(&clusters, "good");
        for (path, wanted) in [(watch, Some("first".to_owned())), (log, None)] {
            let grants = granted(&clusters);
            let lose = || grants.lose("g");
            let answer = call_by(&clusters, Some(&grants), GET, path, &lose).await;
            assert_eq!(answer, (200, wanted), "{protocol} {path}");
        }
    }
}

#[tokio::test]
async fn a_cluster_that_cannot_be_connected_to_is_left_alone_until_a_probe_works() {
    let (mut spoke, clusters) = (Spoke::start("good").await, clusters());
    spoke.has_token(&clusters, "good");
    spoke.stop().await;
    let mut causes = Vec::new();
    for _ in 0..4 {
        let (code, body) = call(&clusters, Method::GET, "").await;
        let status: serde_json::Value = serde_json::from_str(&body).unwrap();
        let all = status["details"]["causes"].as_array().unwrap().iter();
        let all = all.filter_map(|cause| cause["reason"].as_str());
        let retry = &status["details"]["retryAfterSeconds"];
        causes.push(format!(
            "{code} {} {retry}",
            all.collect::<Vec<_>>().join(" ")
        ));
    }
    assert_eq!(causes[..3], ["503 Dial 1", "503 Dial 1", "503 Dial 1"]);
    assert_eq!(causes[3], "503 Dial Breaker 1");
    spoke.go_on().await;
    assert_eq!(call(&clusters, Method::GET, "").await.0, 503);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    assert_eq!(call(&clusters, Method::GET, "").await.0, 200);
    assert_eq!(call(&clusters, Method::GET, "").await.0, 200);
}

#[tokio::test]
async fn a_caller_beyond_its_limit_is_told_so_until_its_requests_end() {
    let (spoke, clusters) = (Spoke::start("good").await, clusters());
    spoke.has_token(&clusters, "good");
    let begun = Notify::new();
    let tell = || begun.notify_one();
    let watch = call_by(&clusters, None, GET, "/api/v1/pods?watch=true", &tell);
    let second = async {
        begun.notified().await;
        call(&clusters, Method::GET, "").await
    };
    let (code, body) = tokio::select! {
        ended = watch => panic!("the watch ended: {ended:?}"),
        answer = second => answer,
    };
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &status["reason"]), (429, &"TooManyRequests".into()));
    assert_eq!(status["details"]["retryAfterSeconds"], 1);
    let cause = &status["details"]["causes"][0];
    assert_eq!(cause["reason"], "Limit");
    assert_eq!(cause["field"], "spec.limits.requestsPerUser");
    assert_eq!(call(&clusters, Method::GET, "").await.0, 200);
    assert_eq!(spoke.seen().len(), 2);
}

#[tokio::test]
async fn a_request_that_has_waited_is_judged_by_what_counts_when_its_turn_comes() {
    let (spoke, clusters) = (Spoke::start("good").await, clusters());
    spoke.has_token(&clusters, "good");
    let grants = granted(&clusters);
    // Nobody acts as the gateway's account.
    grants.set_used(&NAME.parse().unwrap(), true);
    let limits = Limits {
        requests_per_user: 9,
        short_requests_per_user: 1,
        ..SMALL_LIMITS
    };
    let proxy = Proxy {
        hall: Arc::new(Hall::new(limits, Gauge::default())),
        ..proxy(&clusters, Some(&grants))
    };
    let mut first = Box::pin(call_through(&proxy, GET, "/silent", &|| {}));
    while spoke.seen().is_empty() {
        assert!(futures::poll!(&mut first).is_pending());
        tokio::task::yield_now().await;
    }
    let mut second = Box::pin(call_through(&proxy, GET, "/api", &|| {}));
    for _ in 0..100 {
        assert!(futures::poll!(&mut second).is_pending());
        tokio::task::yield_now().await;
    }
    grants.lose("g");
    drop(first);
    let (code, body) = second.await;
    assert_eq!(code, 403, "{body:?}");
    assert_eq!(spoke.seen().len(), 1);
}
