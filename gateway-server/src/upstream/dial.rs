//! Bytes to a managed cluster: plain TCP, TCP through an HTTP proxy by CONNECT, or a pipe through a
//! tunnel. The one place where a way to dial is chosen.

use std::{fmt::Debug, io};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header::HOST, uri::Authority};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_util::task::TaskTracker;

use crate::{
    keepalive::keep_alive,
    tunnels::{TunnelDialer, TunnelError},
};

/// A byte stream to a managed cluster, however it came about.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Unpin> Stream for S {}

/// How to reach a managed cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Dialer {
    /// TCP to `host:port`.
    Direct { host: String, port: u16 },
    /// TCP to an HTTP proxy, then CONNECT `host:port`.
    HttpConnect {
        proxy: ProxyAddress,
        host: String,
        port: u16,
    },
    /// A pipe through the tunnel that an agent of the cluster keeps open.
    Tunnel(TunnelDialer),
}

/// An HTTP proxy as a `proxy-url` names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ProxyAddress {
    pub(crate) authority: Authority,
    /// The `Proxy-Authorization` header, from the URL's user information.
    pub(crate) authorization: Option<HeaderValue>,
}

/// No bytes could be exchanged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// There is no tunnel, or no pipe through it.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// TCP failed: no such name, refused, unreachable.
    #[error("cannot connect to {address}: {source}")]
    Tcp { address: String, source: io::Error },
    /// The proxy does not speak HTTP, or went away.
    #[error("proxy {proxy} broke off: {source}")]
    Proxy {
        proxy: Authority,
        source: hyper::Error,
    },
    /// The proxy answered with something else than 200.
    #[error("proxy {proxy} refused to connect: it answered {status}")]
    ProxyRefused {
        proxy: Authority,
        status: StatusCode,
    },
}

impl Dialer {
    /// Opens a stream. The caller holds the deadline; dropping the future gives up.
    pub(crate) async fn dial(&self, tasks: &TaskTracker) -> Result<Box<dyn Stream>, DialError> {
        match self {
            Self::Direct { host, port } => Ok(Box::new(tcp(host, *port).await?)),
            Self::Tunnel(tunnel) => Ok(Box::new(tunnel.dial().await?)),
            Self::HttpConnect { proxy, host, port } => {
                let stream = tcp(proxy.host(), proxy.authority.port_u16().unwrap_or(80)).await?;
                connect(proxy, stream, &format!("{host}:{port}"), tasks).await
            }
        }
    }
}

impl ProxyAddress {
    fn host(&self) -> &str {
        self.authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
    }
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let connected = TcpStream::connect((host, port)).await;
    let stream = connected.map_err(|source| DialError::Tcp {
        address: format!("{host}:{port}"),
        source,
    })?;
    keep_alive(&stream);
    Ok(stream)
}

async fn connect(
    proxy: &ProxyAddress,
    stream: TcpStream,
    target: &str,
    tasks: &TaskTracker,
) -> Result<Box<dyn Stream>, DialError> {
    let broke = |source| DialError::Proxy {
        proxy: proxy.authority.clone(),
        source,
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broke)?;
    tasks.spawn(connection.with_upgrades());
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = target
        .parse()
        .expect("host:port of a parsed authority is one");
    let host = HeaderValue::from_str(target).expect("an authority is a valid header value");
    request.headers_mut().insert(HOST, host);
    if let Some(authorization) = &proxy.authorization {
        request
            .headers_mut()
            .insert(http::header::PROXY_AUTHORIZATION, authorization.clone());
    }
    let response = sender.send_request(request).await.map_err(broke)?;
    if response.status() != StatusCode::OK {
        let (proxy, status) = (proxy.authority.clone(), response.status());
        return Err(DialError::ProxyRefused { proxy, status });
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(broke)?;
    Ok(Box::new(TokioIo::new(upgraded)))
}
