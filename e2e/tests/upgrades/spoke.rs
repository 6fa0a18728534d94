//! A spoke that agrees to upgrades: a TLS server with HTTP/1.1 only. It also shows that the gateway
//! works with a server that has no HTTP/2.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use e2e::{Authority, Http1};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, sink, split},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// What `/echo` sends after the other end has finished.
pub(crate) const GOODBYE: &str = "; goodbye";

/// The server, which ends when it is dropped.
pub(crate) struct Spoke {
    pub(crate) url: String,
    pub(crate) ca_pem: String,
    seen: Arc<Seen>,
    /// Clients whose connections must live as long as the test.
    clients: Mutex<Vec<Http1>>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    open: AtomicUsize,
    authorizations: Mutex<Vec<String>>,
}

impl Spoke {
    pub(crate) async fn start() -> Self {
        let authority = Authority::new("upgrading-spoke-ca").unwrap();
        let identity = authority.issue_server(&["127.0.0.1"]).unwrap();
        let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let seen = Arc::<Seen>::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            Arc::clone(&seen),
        ));
        let clients = Mutex::default();
        Self {
            url,
            ca_pem: authority.certificate(),
            seen,
            clients,
            _serving: serving,
        }
    }

    /// The number of open byte streams.
    pub(crate) fn open(&self) -> usize {
        self.seen.open.load(Ordering::SeqCst)
    }

    /// The distinct Authorization headers that were seen.
    pub(crate) fn authorizations(&self) -> Vec<String> {
        let mut all = self.seen.authorizations.lock().clone();
        all.sort();
        all.dedup();
        all
    }

    /// Keeps a client's connections until the test ends.
    pub(crate) fn keep(&self, client: Http1) {
        self.clients.lock().push(client);
    }

    /// Closes these connections.
    pub(crate) fn hang_up(&self) {
        self.clients.lock().clear();
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, seen: Arc<Seen>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (tls, seen) = (tls.clone(), Arc::clone(&seen));
        connections.spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let pipes = Arc::new(Mutex::new(JoinSet::new()));
            let holder = Arc::clone(&pipes);
            let service = service_fn(move |request| {
                let answer = answer(request, &seen, &mut holder.lock());
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // If the connection breaks, the test notices.
            let _ = connection.with_upgrades().await;
            let mut pipes = std::mem::take(&mut *pipes.lock());
            while pipes.join_next().await.is_some() {}
        });
    }
}

fn answer(
    mut request: Request<Incoming>,
    seen: &Arc<Seen>,
    pipes: &mut JoinSet<()>,
) -> Response<Full<Bytes>> {
    if let Some(value) = request.headers().get("authorization") {
        seen.authorizations
            .lock()
            .push(value.to_str().unwrap().to_owned());
    }
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/refuse" => return text(StatusCode::FORBIDDEN, "no pipe for you"),
        "/headers" => return text(StatusCode::OK, &format!("{:?}", request.headers())),
        _ => {}
    }
    let Some(protocol) = request.headers().get("upgrade").cloned() else {
        return text(StatusCode::BAD_REQUEST, "this wants an upgrade");
    };
    let (upgrade, seen) = (hyper::upgrade::on(&mut request), Arc::clone(seen));
    pipes.spawn(async move {
        seen.open.fetch_add(1, Ordering::SeqCst);
        if let Ok(upgraded) = upgrade.await {
            // If the other end breaks the stream, the test notices.
            let _ = run(&path, TokioIo::new(upgraded)).await;
        }
        seen.open.fetch_sub(1, Ordering::SeqCst);
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "Upgrade")
        .header("upgrade", protocol)
        .body(Full::default())
        .unwrap()
}

async fn run(path: &str, pipe: impl AsyncRead + AsyncWrite) -> std::io::Result<()> {
    let (mut from, mut to) = split(pipe);
    match path.strip_prefix("/send/") {
        Some(length) => {
            copy(
                &mut tokio::io::repeat(7).take(length.parse().unwrap()),
                &mut to,
            )
            .await?;
        }
        None if path == "/count" => {
            let counted = copy(&mut from, &mut sink()).await?;
            to.write_all(counted.to_string().as_bytes()).await?;
        }
        None => {
            copy(&mut from, &mut to).await?;
            to.write_all(GOODBYE.as_bytes()).await?;
        }
    }
    to.shutdown().await
}

fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text.to_owned()));
    *response.status_mut() = status;
    response
}
