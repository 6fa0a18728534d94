//! The pool against a real TLS server on loopback, which counts its connections.

use std::{
    convert::Infallible,
    future::{pending, ready},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytes::Bytes;
use crds::ClusterName;
use futures::future::join_all;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    server::conn::{http1 as server1, http2 as server2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    net::{TcpListener, TcpStream},
    task::{JoinSet, yield_now},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tunnel::{
    Budget, Dial, Hello, Phase, Refusal, Session, Share, Target as TunnelTarget,
    serve as serve_tunnel,
};

use super::*;
use crate::{
    tunnels::{TunnelDialer, Tunnels},
    upstream::{Dialer, Reach, RequestBody, Target, Tls, Trust, Upstream},
};

/// Streams that the server allows on one connection.
const STREAMS: u32 = 4;

struct Server {
    upstream: Upstream,
    connections: Arc<AtomicUsize>,
    /// Whether it hangs up on new connections.
    refuses: Arc<AtomicBool>,
    /// What it speaks on new connections.
    protocol: Arc<Mutex<&'static [u8]>>,
    serving: JoinSet<()>,
}

impl Server {
    async fn start(protocol: &'static [u8]) -> Self {
        Self::allowing(protocol, Some(STREAMS)).await
    }

    /// A server that allows this many streams on a connection.
    async fn allowing(protocol: &'static [u8], streams: Option<u32>) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = issued.cert.der().clone();
        let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::<AtomicUsize>::default();
        let mut serving = JoinSet::new();
        let refuses = Arc::<AtomicBool>::default();
        let (counted, refusing) = (Arc::clone(&connections), Arc::clone(&refuses));
        let protocol = Arc::new(Mutex::new(protocol));
        let speaking = Arc::clone(&protocol);
        let tls = move || {
            let mut config = config.clone();
            config.alpn_protocols = vec![speaking.lock().to_vec()];
            TlsAcceptor::from(Arc::new(config))
        };
        serving.spawn(serve(listener, tls, streams, counted, refusing));
        let target = Target {
            authority: format!("localhost:{port}").parse().unwrap(),
            base_path: String::new(),
            dialer: Dialer::Direct {
                host: "127.0.0.1".to_owned(),
                port,
                reach: Reach::Anywhere,
            },
            tls: Some(Tls {
                trust: Trust::Authorities(vec![certificate]),
                identity: None,
            }),
        };
        let upstream = Upstream::new(target, TaskTracker::new(), CancellationToken::new()).unwrap();
        Self {
            upstream,
            connections,
            refuses,
            protocol,
            serving,
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(
    listener: TcpListener,
    tls: impl Fn() -> TlsAcceptor,
    streams: Option<u32>,
    connections: Arc<AtomicUsize>,
    refuses: Arc<AtomicBool>,
) {
    let mut serving = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::SeqCst);
        if refuses.load(Ordering::SeqCst) {
            continue;
        }
        let tls = tls();
        serving.spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let service = service_fn(|_request| {
                ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
            });
            // Errors of a connection are left to the pool.
            let _ = if http2 {
                let mut server = server2::Builder::new(TokioExecutor::new());
                server.max_concurrent_streams(streams);
                server.serve_connection(TokioIo::new(stream), service).await
            } else {
                server1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await
            };
        });
    }
}

/// A lease stands for a request here, because hyper creates bodies only on real connections.
async fn places(server: &Server, count: usize) -> Vec<Pooled> {
    let leases = join_all((0..count).map(|_| server.upstream.lease(Wanted::Any))).await;
    leases.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn opens_one_connection_for_all_who_wait() {
    let server = Server::start(b"h2").await;
    let places = places(&server, 3).await;
    assert_eq!(places.len(), 3);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn opens_another_connection_before_streams_run_out_and_reuses_what_is_given_back() {
    let server = Server::start(b"h2").await;
    let all = places(&server, 9).await;
    assert_eq!(all.len(), 9);
    assert!(
        (3..=4).contains(&server.connections()),
        "{}",
        server.connections()
    );
    let used = server.upstream.pool.state.lock().used();
    assert!(
        used.iter().all(|used| *used <= STREAMS as usize),
        "{used:?}"
    );
    assert_eq!(used.iter().sum::<usize>(), 9);
    drop(all);
    let before = server.connections();
    drop(places(&server, 9).await);
    assert_eq!(server.connections(), before);
}

#[tokio::test]
async fn a_burst_gets_as_many_connections_as_it_fills() {
    let server = Server::start(b"h2").await;
    let all = places(&server, 100).await;
    assert_eq!(all.len(), 100);
    assert!(server.connections() >= 25, "{}", server.connections());
}

#[tokio::test]
async fn a_server_without_http2_gets_a_connection_per_request() {
    let server = Server::start(b"http/1.1").await;
    let places = places(&server, 3).await;
    assert!(places.iter().all(Pooled::is_http1));
    assert_eq!(server.upstream.pool.state.lock().http1.lock().places(), 3);
    drop(places);
    assert_eq!(server.upstream.pool.state.lock().http1.lock().places(), 0);
}

#[tokio::test]
async fn without_http2_there_is_room_for_hundreds_of_watches() {
    let server = Server::start(b"http/1.1").await;
    assert_eq!(places(&server, 300).await.len(), 300);
}

#[tokio::test]
async fn a_server_that_comes_to_speak_http2_is_spoken_to_like_that() {
    let server = Server::start(b"http/1.1").await;
    let watches = places(&server, 3).await;
    *server.protocol.lock() = b"h2";
    let all = places(&server, 4).await;
    assert!(all.iter().all(|place| !place.is_http1()));
    assert_eq!(server.upstream.pool.state.lock().used(), [4]);
    drop((watches, all));
    *server.protocol.lock() = b"http/1.1";
    server.upstream.pool.state.lock().http2_ended();
    assert!(places(&server, 1).await[0].is_http1());
}

#[tokio::test]
async fn failures_say_since_when_and_end_with_the_first_success() {
    let server = Server::start(b"h2").await;
    let mut target = server.upstream.target.clone();
    let others = Trust::Authorities(vec![
        rcgen::generate_simple_self_signed(["other".to_owned()])
            .unwrap()
            .cert
            .der()
            .clone(),
    ]);
    target.tls = Some(Tls {
        trust: others,
        identity: None,
    });
    let wrong = Upstream::new(target, TaskTracker::new(), CancellationToken::new()).unwrap();
    let mut since = Vec::new();
    for _ in 0..2 {
        match wrong.lease(Wanted::Any).await {
            Err(PoolError::Connect { since: at, .. }) => since.push(at),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(since[0], since[1]);
    assert!(server.upstream.lease(Wanted::Any).await.is_ok());
    assert!(matches!(server.upstream.sighting().health, Health::Good));
    assert!(matches!(wrong.sighting().health, Health::Failing { .. }));
}

#[tokio::test]
async fn another_connection_that_fails_says_nothing_of_the_one_that_works() {
    let server = Server::start(b"h2").await;
    let first = places(&server, 1).await;
    server.refuses.store(true, Ordering::SeqCst);
    let attempted = server.upstream.sighting().attempted;
    let all = places(&server, STREAMS as usize - 1).await;
    let beyond = server.upstream.lease(Wanted::Any).await;
    assert!(
        matches!(beyond, Err(PoolError::Connect { .. })),
        "{beyond:?}"
    );
    let Sighting {
        health,
        is_open,
        attempted: again,
    } = server.upstream.sighting();
    assert!(again > attempted, "there was no other attempt");
    assert!(is_open && matches!(health, Health::Good), "{health:?}");
    drop((first, all));
}

#[tokio::test]
async fn what_fails_after_the_last_connection_has_ended_fails_since_then() {
    let mut server = Server::start(b"h2").await;
    let all = places(&server, STREAMS as usize).await;
    server.refuses.store(true, Ordering::SeqCst);
    let failed_at = |error| match error {
        Err(PoolError::Connect { since, .. }) => since,
        other => panic!("{other:?}"),
    };
    let beside_one = failed_at(server.upstream.lease(Wanted::Any).await);
    server.serving.abort_all();
    while server.upstream.sighting().is_open {
        yield_now().await;
    }
    drop(all);
    let alone = failed_at(server.upstream.lease(Wanted::Any).await);
    assert!(alone > beside_one);
    let health = server.upstream.sighting().health;
    assert!(matches!(health, Health::Failing { since, .. } if since == alone));
}

/// A way to a service at this port, over plain HTTP/1.1.
fn plain(port: u16) -> Upstream {
    let target = Target {
        authority: format!("front.web.svc:{port}").parse().unwrap(),
        base_path: String::new(),
        dialer: Dialer::Direct {
            host: "127.0.0.1".to_owned(),
            port,
            reach: Reach::Anywhere,
        },
        tls: None,
    };
    assert!(!target.has_identity());
    Upstream::new(target, TaskTracker::new(), CancellationToken::new()).unwrap()
}

#[tokio::test]
async fn an_upstream_without_http2_is_good_again_once_it_accepts_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = plain(address.port());
    drop(upstream.lease(Wanted::Any).await.unwrap());
    drop(listener);
    assert!(upstream.lease(Wanted::Any).await.is_err());
    let health = upstream.sighting().health;
    assert!(matches!(health, Health::Failing { .. }), "{health:?}");
    let _listener = TcpListener::bind(address).await.unwrap();
    let place = upstream.lease(Wanted::Any).await.unwrap();
    let sighting = upstream.sighting();
    assert!(matches!(sighting.health, Health::Good), "{sighting:?}");
    assert!(sighting.is_open, "its request uses a connection");
    drop(place);
    assert!(!upstream.sighting().is_open);
}

#[tokio::test]
async fn a_connection_that_is_upgraded_shows_that_the_upstream_is_good() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = plain(address.port());
    drop(listener);
    assert!(upstream.lease(Wanted::Any).await.is_err());
    let _listener = TcpListener::bind(address).await.unwrap();
    let _upgradable = upstream.upgradable().await.unwrap();
    let health = upstream.sighting().health;
    assert!(matches!(health, Health::Good), "{health:?}");
}

#[tokio::test]
async fn a_server_may_allow_any_number_of_streams() {
    let server = Server::allowing(b"h2", None).await;
    let all = places(&server, 200).await;
    assert_eq!((all.len(), server.connections()), (200, 1));
}

#[tokio::test]
async fn a_target_without_tls_gets_plain_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let upstream = plain(port);
    let (place, accepted) = tokio::join!(upstream.lease(Wanted::Any), listener.accept());
    assert!(place.unwrap().is_http1());
    drop(accepted.unwrap());
}

#[tokio::test]
async fn an_answer_over_http1_may_have_hundreds_of_headers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = plain(listener.local_addr().unwrap().port());
    let many = "x-many: x\r\n".repeat(300);
    let answer = format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n");
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = stream.read(&mut [0; 1024]).await.unwrap();
        assert!(asked > 0);
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    };
    let asking = async {
        let request = Request::get("/").header("host", "front.web.svc");
        let request = request.body(RequestBody::Empty).unwrap();
        upstream
            .lease(Wanted::Any)
            .await
            .unwrap()
            .send(request)
            .await
    };
    let (_stream, answered) = tokio::join!(serving, asking);
    let (response, _) = answered.ok().unwrap();
    assert_eq!(response.headers().get_all("x-many").iter().count(), 300);
}

/// An agent that leads to the API server at this port, whatever it is asked for.
struct Agent(u16);

impl Dial for Agent {
    type Io = TcpStream;

    async fn dial(&self, _: &TunnelTarget, _: Share) -> Result<TcpStream, Refusal> {
        let connected = TcpStream::connect(("127.0.0.1", self.0)).await;
        connected.map_err(|_| Refusal::Unreachable)
    }
}

/// Attaches an agent of a cluster that leads to this server.
async fn attach(tunnels: &Tunnels, cluster: &ClusterName, to: &Server, moving: &mut JoinSet<()>) {
    let agent = Arc::new(Agent(to.upstream.target.authority.port_u16().unwrap()));
    let (near, far) = duplex(64 << 10);
    moving.spawn(async move {
        let (phase, _) = tokio::sync::watch::channel(Phase::Greeting);
        let (hello, budget) = (Hello::default(), Budget::new(1 << 30));
        let _ = serve_tunnel(far, &hello, agent, &budget, phase, pending()).await;
    });
    let budget = tunnels.budget(cluster);
    let attached = Session::attach(near, &Hello::default(), budget.clone()).await;
    let (session, driver) = attached.unwrap();
    moving.spawn(async move {
        driver.run(pending()).await;
    });
    tunnels.add(cluster, session, budget, None);
}

#[tokio::test]
async fn of_two_agents_on_different_clusters_the_one_that_fits_is_used() {
    let wrong = Server::start(b"http/1.1").await;
    let right = Server::start(b"http/1.1").await;
    let (cluster, tunnels) = ("managed1".parse().unwrap(), Tunnels::new(1 << 30, 1 << 30));
    let mut moving = JoinSet::new();
    for server in [&wrong, &right] {
        attach(&tunnels, &cluster, server, &mut moving).await;
    }
    let dialer = TunnelDialer::apiserver(&cluster, &tunnels);
    let through = |server: &Server| {
        let target = Target {
            dialer: Dialer::Tunnel(dialer.clone()),
            ..server.upstream.target.clone()
        };
        Upstream::new(target, TaskTracker::new(), CancellationToken::new()).unwrap()
    };
    let upstream = through(&right);
    let _first = upstream.lease(Wanted::Any).await.unwrap();
    for _ in 0..20 {
        upstream.upgradable().await.unwrap();
    }
    assert_eq!((wrong.connections(), dialer.astray()), (1, (2, 1)));
    // The cluster of that name becomes the other one.
    let upstream = through(&wrong);
    for _ in 0..20 {
        upstream.upgradable().await.unwrap();
    }
    assert_eq!(wrong.connections(), 1 + 20);
    let (all, astray) = dialer.astray();
    assert!(all == 2 && astray <= 1, "{astray} of {all}");
}
