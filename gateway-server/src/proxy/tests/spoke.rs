//! A stub of a managed API server on loopback: TLS, HTTP/2 and HTTP/1.1. It records what requests
//! say about their sender.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, Response, header::AUTHORIZATION};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use super::{NAME, untaken::TurnAway};
use crate::clusters::Clusters;

const UNAUTHORIZED: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;

/// What it lists of the rights of the account that asks.
const RULES: &str = r#"{"spec":{},"status":{"incomplete":false,"nonResourceRules":[],"resourceRules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]}}"#;

/// How a server treats requests.
#[derive(Clone)]
struct Manners {
    /// The token that it accepts.
    good: &'static str,
    /// How many requests it answers on each connection.
    requests: usize,
    /// Whether it keeps connections at all.
    keeps: bool,
    /// On how many connections it turns the first request away, and how.
    turned_away: Arc<(TurnAway, AtomicUsize)>,
}

/// A managed API server that accepts one token.
pub(crate) struct Spoke {
    port: u16,
    url: String,
    authority: String,
    /// The `Authorization` and the impersonated user of every request so far.
    seen: Arc<Mutex<Vec<String>>>,
    tls: TlsAcceptor,
    manners: Manners,
    serving: JoinSet<()>,
}

impl Spoke {
    pub(crate) async fn start(good: &'static str) -> Self {
        Self::speaking("h2", good).await
    }

    pub(super) async fn speaking(protocol: &str, good: &'static str) -> Self {
        Self::answering(protocol, good, usize::MAX).await
    }

    /// One that closes each connection when so many requests were answered on it and another one
    /// has come.
    pub(super) async fn answering(protocol: &str, good: &'static str, requests: usize) -> Self {
        let manners = Manners {
            requests,
            ..Manners::of(good)
        };
        Self::with(protocol, manners).await
    }

    /// One without HTTP/2 that says with each answer that it closes the connection.
    pub(super) async fn closing(good: &'static str) -> Self {
        let manners = Manners {
            keeps: false,
            ..Manners::of(good)
        };
        Self::with("http/1.1", manners).await
    }

    /// One that turns away the first request on each of so many connections, and then closes them.
    pub(super) async fn turning_away(how: TurnAway, connections: usize) -> Self {
        let manners = Manners {
            turned_away: Arc::new((how, AtomicUsize::new(connections))),
            ..Manners::of("good")
        };
        Self::with("h2", manners).await
    }

    async fn with(protocol: &str, manners: Manners) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut spoke = Self {
            port,
            url: format!("https://localhost:{port}"),
            authority: issued.cert.pem(),
            seen: Arc::default(),
            tls: TlsAcceptor::from(Arc::new(config)),
            manners,
            serving: JoinSet::new(),
        };
        spoke.serve(listener);
        spoke
    }

    fn serve(&mut self, listener: TcpListener) {
        let (tls, manners) = (self.tls.clone(), self.manners.clone());
        let serving = serve(listener, tls, manners, Arc::clone(&self.seen));
        self.serving.spawn(serving);
    }

    /// Nothing answers there any more.
    pub(super) async fn stop(&mut self) {
        self.serving.shutdown().await;
    }

    /// It answers again.
    pub(super) async fn go_on(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.serve(listener);
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }

    pub(crate) fn has_token(&self, clusters: &Clusters, token: &str) {
        clusters.derive_at(NAME, &self.url, &self.authority, token);
    }
}

impl Manners {
    fn of(good: &'static str) -> Self {
        Self {
            good,
            requests: usize::MAX,
            keeps: true,
            turned_away: Arc::default(),
        }
    }
}

async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    manners: Manners,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let mut serving = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, manners, seen) = (tls.clone(), manners.clone(), Arc::clone(&seen));
        serving.spawn(async move {
            let mut stream = tls.accept(stream).await.unwrap();
            let (how, connections) = &*manners.turned_away;
            if one_less(connections) {
                how.turn_away(&mut stream).await;
                return;
            }
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let left = AtomicUsize::new(manners.requests);
            let answer = |request: Request<Incoming>| {
                let (said, answer) = answer(manners.good, &request);
                seen.lock().push(said);
                let closes = !one_less(&left);
                async move {
                    match request.uri().path() {
                        _ if closes => Err("closed instead"),
                        "/silent" => std::future::pending().await,
                        "/echo" if answer.status() == 200 => {
                            let body = request.into_body().collect().await.unwrap();
                            Ok(Response::new(Full::new(body.to_bytes()).boxed_unsync()))
                        }
                        _ => Ok(answer),
                    }
                }
            };
            let (stream, service) = (TokioIo::new(stream), service_fn(answer));
            if is_http2 {
                let server = http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(stream, service).await;
            } else {
                let mut server = http1::Builder::new();
                server.keep_alive(manners.keeps);
                let _ = server.serve_connection(stream, service).await;
            }
        });
    }
}

fn one_less(left: &AtomicUsize) -> bool {
    let one_less = |left: usize| left.checked_sub(1);
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
        .is_ok()
}

/// What a request says about its sender, and the answer to it. Watches and logs begin and never
/// end.
fn answer(
    good: &str,
    request: &Request<Incoming>,
) -> (String, Response<UnsyncBoxBody<Bytes, Infallible>>) {
    let all = request.headers().iter();
    let impersonated = all.filter(|(name, _)| name.as_str().starts_with("impersonate-"));
    let token = request.headers()[AUTHORIZATION].to_str().unwrap();
    let said = impersonated.fold(token.to_owned(), |said, (name, value)| {
        format!("{said} {name}={}", value.to_str().unwrap())
    });
    let asks_for_rules = request.uri().path().ends_with("/selfsubjectrulesreviews");
    let (code, body) = match token.strip_prefix("Bearer ") {
        Some(token) if token == good && request.uri().path() == "/too-large" => (413, "too large"),
        Some(token) if token == good && !asks_for_rules => (200, "ok"),
        Some(token) if token == good && said.contains("impersonate-") => {
            (403, "may not impersonate")
        }
        Some(token) if token == good => (201, RULES),
        _ => (401, UNAUTHORIZED),
    };
    let lasts = request.uri().query().is_some_and(|it| it == "watch=true")
        || request.uri().path().ends_with("/log");
    let body = if lasts {
        let first = Ok(Frame::data(Bytes::from_static(b"first")));
        let first = stream::once(std::future::ready(first));
        StreamBody::new(first.chain(stream::pending())).boxed_unsync()
    } else {
        Full::new(Bytes::from_static(body.as_bytes())).boxed_unsync()
    };
    let answer = Response::builder().status(code).body(body);
    (said, answer.unwrap())
}
