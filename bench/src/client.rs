//! The benchmark's own client: HTTP/2 over TLS on connections that stay open. It has Go's window
//! sizes, as the gateway's real callers do. It can also upgrade a connection over HTTP/1.1.

use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use e2e::Identity;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Collected, Empty};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
    upgrade::Upgraded,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{net::TcpStream, task::JoinSet};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// `transportDefaultStreamFlow` of Go's HTTP/2 client.
const STREAM_WINDOW: u32 = 4 << 20;
/// `transportDefaultConnFlow` of Go's HTTP/2 client.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// A caller of a server, with everything that a connection and a request need.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    server: Uri,
    /// The prefix of every path.
    base: String,
    headers: HeaderMap,
    tls: Arc<ClientConfig>,
}

/// A connection, which closes when it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: http2::SendRequest<Empty<Bytes>>,
    _driver: JoinSet<()>,
}

/// A handle that sends any number of requests.
#[derive(Clone, Debug)]
pub(crate) struct Sender(http2::SendRequest<Empty<Bytes>>);

/// An answer: its status, and its body if the body is complete.
#[derive(Debug)]
pub(crate) struct Whole(pub(crate) StatusCode, pub(crate) Option<Bytes>);

/// A request without a body.
pub(crate) type Get = Request<Empty<Bytes>>;

impl Client {
    /// Trusts `ca_pem`, and presents `identity` if there is one.
    pub(crate) fn new(
        server: &str,
        ca_pem: &str,
        identity: Option<&Identity>,
    ) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            roots.add(authority?)?;
        }
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let mut tls = match identity {
            Some(identity) => builder.with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(
                    identity.certificate.as_bytes(),
                )?],
                PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?,
            )?,
            None => builder.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let identity_encoding = HeaderValue::from_static("identity");
        Ok(Self {
            server: server.parse()?,
            base: String::new(),
            headers: [(header::ACCEPT_ENCODING, identity_encoding)]
                .into_iter()
                .collect(),
            tls: Arc::new(tls),
        })
    }

    /// Puts `base` before every path.
    pub(crate) fn below(self, base: String) -> Self {
        Self { base, ..self }
    }

    /// Sends a header with every request.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> anyhow::Result<Self> {
        self.headers.append(name, value.parse()?);
        Ok(self)
    }

    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Get> {
        let server = self.server.to_string();
        let uri = format!("{}{}{path}", server.trim_end_matches('/'), self.base);
        let mut request = Request::get(uri).body(Empty::new())?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    async fn stream(&self, tls: Arc<ClientConfig>) -> anyhow::Result<TlsStream<TcpStream>> {
        let (host, port) = (self.server.host(), self.server.port_u16());
        let (host, port) = host.zip(port).context("a server without host and port")?;
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned())?;
        Ok(TlsConnector::from(tls).connect(name, stream).await?)
    }

    /// Upgrades a connection of its own to WebSocket, and leaves what comes over it unread.
    pub(crate) async fn websocket(&self, path: &str) -> anyhow::Result<Upgraded> {
        let mut tls = ClientConfig::clone(&self.tls);
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = self.stream(Arc::new(tls)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request = self.get(path)?;
        let host = self.server.authority().context("a server without a name")?;
        for (name, value) in [
            (header::HOST, host.as_str()),
            (header::CONNECTION, "Upgrade"),
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_VERSION, "13"),
            // Any key will do (RFC 6455 §1.3).
            (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
            (header::ORIGIN, "https://localhost"),
        ] {
            request.headers_mut().insert(name, value.parse()?);
        }
        let target = request.uri().path_and_query().context("no path")?;
        *request.uri_mut() = target.as_str().parse()?;
        let mut driver = JoinSet::new();
        driver.spawn(connection.with_upgrades());
        let response = sender.send_request(request).await?;
        let status = response.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let body = response.into_body().collect().await?.to_bytes();
            let said = String::from_utf8_lossy(&body);
            anyhow::bail!("{path} was not upgraded but answered {status}: {said}");
        }
        Ok(hyper::upgrade::on(response).await?)
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = self.stream(Arc::clone(&self.tls)).await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(TokioIo::new(stream))
            .await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // The error is reported by the requests in flight.
            let _ = connection.await;
        });
        Ok(Connection {
            sender,
            _driver: driver,
        })
    }

    pub(crate) async fn connections(&self, count: usize) -> anyhow::Result<Vec<Connection>> {
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(self.connect().await?);
        }
        Ok(connections)
    }
}

impl Connection {
    pub(crate) fn sender(&self) -> Sender {
        Sender(self.sender.clone())
    }
}

impl Sender {
    /// Sends a request and waits for the head of its answer, whose status must be 200.
    pub(crate) async fn send(&mut self, request: &Get) -> anyhow::Result<Response<Incoming>> {
        let response = self.0.send_request(request.clone()).await?;
        let status = response.status();
        if status != StatusCode::OK {
            let body = response.into_body().collect().await?.to_bytes();
            let said = String::from_utf8_lossy(&body);
            anyhow::bail!("{} answered {status}: {said}", request.uri());
        }
        Ok(response)
    }

    /// Sends a request and waits for the end of its answer. Returns its status, whatever it is, and
    /// whether its body is complete.
    pub(crate) async fn status(&mut self, request: &Get) -> anyhow::Result<(StatusCode, bool)> {
        let Whole(status, body) = self.whole(request).await?;
        Ok((status, body.is_some()))
    }

    /// Sends a request and waits for the end of its answer, whatever that is.
    pub(crate) async fn whole(&mut self, request: &Get) -> Result<Whole, hyper::Error> {
        let response = self.0.send_request(request.clone()).await?;
        let status = response.status();
        let body = response.into_body().collect().await;
        Ok(Whole(status, body.ok().map(Collected::to_bytes)))
    }

    /// Whether the connection accepts another request.
    pub(crate) async fn is_usable(&mut self) -> bool {
        self.0.ready().await.is_ok()
    }
}
