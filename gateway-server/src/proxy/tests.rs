//! What is sent a second time, and what is not, against a real managed API server's manners: TLS and
//! HTTP/2 on loopback.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::{
    client::conn::{http1, http2},
    server::conn::{http1 as server1, http2 as server2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{DuplexStream, duplex},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::*;

const NAME: &str = "managed1";
const UNAUTHORIZED: &str = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;

/// A managed API server that takes one token.
struct Spoke {
    url: String,
    authority: String,
    /// The `Authorization` of every request so far.
    seen: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Spoke {
    async fn start(good: &'static str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let mut serving = JoinSet::new();
        let tls = TlsAcceptor::from(Arc::new(config));
        serving.spawn(serve(listener, tls, good, Arc::clone(&seen)));
        Self {
            url: format!("https://localhost:{port}"),
            authority: issued.cert.pem(),
            seen,
            _serving: serving,
        }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().clone()
    }

    fn has_token(&self, clusters: &Clusters, token: &str) {
        clusters.derive_at(NAME, &self.url, &self.authority, token);
    }
}

async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    good: &'static str,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let mut serving = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, seen) = (tls.clone(), Arc::clone(&seen));
        serving.spawn(async move {
            let stream = tls.accept(stream).await.unwrap();
            let answer = |request: Request<Incoming>| {
                let sent = request.headers()[AUTHORIZATION]
                    .to_str()
                    .unwrap()
                    .to_owned();
                let (code, body) = match sent.strip_prefix("Bearer ") {
                    Some(token) if token == good => (200, "ok"),
                    _ => (401, UNAUTHORIZED),
                };
                seen.lock().push(sent);
                let answer = Response::builder()
                    .status(code)
                    .body(Full::new(Bytes::from_static(body.as_bytes())));
                std::future::ready(Ok::<_, Infallible>(answer.unwrap()))
            };
            let server = server2::Builder::new(TokioExecutor::new());
            let stream = TokioIo::new(stream);
            let _ = server.serve_connection(stream, service_fn(answer)).await;
        });
    }
}

/// What the caller of a gateway with these clusters gets.
async fn call(clusters: &Arc<Clusters>, method: Method, body: &'static str) -> (u16, String) {
    let proxy = Proxy {
        clusters: Arc::clone(clusters),
        head_deadline: Duration::from_secs(10),
        exposed: BTreeSet::new(),
        tasks: TaskTracker::new(),
        cut: CancellationToken::new(),
    };
    let (caller, gateway) = duplex(1 << 16);
    let name = NAME.parse().unwrap();
    let forward = service_fn(|request: Request<Incoming>| {
        let length = request.uri().path().len();
        let (proxy, name) = (&proxy, &name);
        async move { Ok::<_, Infallible>(proxy.forward(request, name, None, length).await) }
    });
    let serving = server1::Builder::new().serve_connection(TokioIo::new(gateway), forward);
    let calling = async {
        let io = TokioIo::new(caller);
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        let request = Request::builder().method(method).uri("/api");
        let request = request
            .header("host", "hub")
            .body(Full::new(Bytes::from_static(body.as_bytes())))
            .unwrap();
        let answer = async {
            let (head, body) = sender.send_request(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (
                head.status.as_u16(),
                String::from_utf8_lossy(&body).into_owned(),
            )
        };
        tokio::select! {
            answer = answer => answer,
            ended = connection => panic!("the gateway hung up: {ended:?}"),
        }
    };
    tokio::select! {
        answer = calling => answer,
        ended = serving => panic!("the caller hung up: {ended:?}"),
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
async fn what_has_a_body_is_sent_once() {
    let (spoke, clusters) = (Spoke::start("new").await, clusters());
    spoke.has_token(&clusters, "old");
    let (code, _) = call(&clusters, Method::POST, "body").await;
    assert_eq!(code, 502);
    assert_eq!(spoke.seen(), ["Bearer old"]);
}

/// How a request ends whose connection the server ends without having taken it.
async fn ended(how: impl FnOnce(&mut h2::server::Connection<DuplexStream, Bytes>)) -> hyper::Error {
    let (client, server) = duplex(1 << 16);
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(client));
    let (handshake, server) = tokio::join!(handshake, h2::server::handshake(server));
    let ((mut sender, connection), mut server) = (handshake.unwrap(), server.unwrap());
    let request = Request::get("http://spoke/").body(Empty::<Bytes>::new());
    let request = sender.send_request(request.unwrap());
    how(&mut server);
    let closing = std::future::poll_fn(|context| server.poll_closed(context));
    let (error, _, _) = tokio::join!(request, connection, closing);
    error.unwrap_err()
}

#[tokio::test]
async fn only_a_close_in_good_order_is_a_goodbye() {
    let goodbye = ended(|server| server.abrupt_shutdown(h2::Reason::NO_ERROR)).await;
    assert!(is_goodbye(&goodbye), "{goodbye:?}");
    let fault = ended(|server| server.abrupt_shutdown(h2::Reason::INTERNAL_ERROR)).await;
    assert!(!is_goodbye(&fault), "{fault:?}");
}
