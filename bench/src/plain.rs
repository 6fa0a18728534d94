//! The plain upstream: hyper's HTTP/2 over TLS and nothing else. It is a process of its own, so
//! that its CPU time can be told apart. It serves a small JSON object at [`SMALL`] and, as a server
//! that works on few requests at a time, at [`LIMITED`], and as many bytes as requested at [`BULK`].

use std::{convert::Infallible, fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use e2e::{Authority, Process, World, process::Spec};
use futures::stream;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use crate::report::print;

pub(crate) const SMALL: &str = "/small";
/// The path is followed by the number of bytes.
pub(crate) const BULK: &str = "/bulk/";

/// The path is followed by the milliseconds that the answer takes. Only [`PLACES`] requests are worked
/// on at a time. The others wait, and whoever came first is next.
pub(crate) const LIMITED: &str = "/limited/";
/// kube-apiserver's `--max-requests-inflight`.
pub(crate) const PLACES: usize = 400;

static FREE: Semaphore = Semaphore::const_new(PLACES);

const READY_WITHIN: Duration = Duration::from_secs(10);
const ANNOUNCEMENT: &str = "serving at ";
const CHUNK: usize = 64 << 10;
/// The small object has the size of a small ConfigMap.
const BODY: &str = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"bench","namespace":"default","uid":"7e9e3c66-0d4a-4c3a-9f53-6d5f8f5b6a1e","resourceVersion":"203","creationTimestamp":"2025-01-01T00:00:00Z","managedFields":[{"manager":"bench","operation":"Update","apiVersion":"v1","time":"2025-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:key":{}}}}]},"data":{"key":"value"}}"#;

/// The subcommand that starts the process.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long)]
    certificate: PathBuf,
    #[arg(long)]
    key: PathBuf,
}

/// The running upstream, as the benchmark sees it.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) process: Process,
    pub(crate) url: String,
    pub(crate) ca_pem: String,
}

impl Plain {
    /// Starts this same program as the upstream, and waits until it listens.
    pub(crate) async fn start(world: &World, name: &str) -> anyhow::Result<Self> {
        let directory = world.directory().join(name);
        fs::create_dir(&directory)?;
        let authority = Authority::new("plain-ca")?;
        let serving = authority.issue_server(&["127.0.0.1"])?;
        let (certificate, key) = (directory.join("serving.crt"), directory.join("serving.key"));
        fs::write(&certificate, &serving.certificate)?;
        fs::write(&key, &serving.key)?;
        let file = |path: PathBuf| path.display().to_string();
        let process = Process::start(Spec {
            name: format!("upstream {name}"),
            program: std::env::current_exe()?,
            args: vec![
                "upstream".to_owned(),
                "--certificate".to_owned(),
                file(certificate),
                "--key".to_owned(),
                file(key),
            ],
            env: Vec::new(),
            log: directory.join("upstream.log"),
            directory,
        })?;
        let announced = || async {
            let log = process.tail(1);
            let url = log.as_str().strip_prefix(ANNOUNCEMENT).map(str::to_owned);
            url.ok_or_else(|| log.as_str().to_owned())
        };
        let url = process.ready(READY_WITHIN, announced).await?;
        Ok(Self {
            process,
            url,
            ca_pem: authority.certificate(),
        })
    }
}

/// Serves until the process is killed.
pub(crate) async fn serve(args: Args) -> anyhow::Result<()> {
    let Args { certificate, key } = args;
    let chain = vec![CertificateDer::from_pem_file(certificate)?];
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut tls = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    print(&format!("{ANNOUNCEMENT}https://{}", listener.local_addr()?))?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        connections.spawn(connection(acceptor.clone(), stream));
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection to its end. An error at the end is left to the other side.
async fn connection(acceptor: TlsAcceptor, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    if let Ok(stream) = acceptor.accept(stream).await {
        let _ = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service_fn(answer))
            .await;
    }
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let path = request.uri().path();
    let milliseconds = path.strip_prefix(LIMITED).and_then(|it| it.parse().ok());
    if let Some(milliseconds) = milliseconds {
        let _place = FREE.acquire().await;
        sleep(Duration::from_millis(milliseconds)).await;
    }
    let bytes = path.strip_prefix(BULK).and_then(|count| count.parse().ok());
    let (status, body) = match bytes {
        Some(bytes) => (StatusCode::OK, bulk(bytes)),
        None if path == SMALL || milliseconds.is_some() => (StatusCode::OK, full(BODY)),
        None => (StatusCode::NOT_FOUND, full("{}")),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

fn full(text: &'static str) -> BoxBody<Bytes, Infallible> {
    BoxBody::new(Full::new(Bytes::from_static(text.as_bytes())))
}

fn bulk(mut left: usize) -> BoxBody<Bytes, Infallible> {
    static CHUNK_OF_BULK: [u8; CHUNK] = [b'x'; CHUNK];
    let chunks = std::iter::from_fn(move || {
        let size = left.min(CHUNK);
        left -= size;
        (size > 0).then(|| Ok(Frame::data(Bytes::from_static(&CHUNK_OF_BULK[..size]))))
    });
    BoxBody::new(StreamBody::new(stream::iter(chunks)))
}
