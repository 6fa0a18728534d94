//! Bytes to a managed cluster: plain TCP, TCP through a proxy, or a pipe through a tunnel. The one place where a way to dial is chosen.

use std::{fmt::Debug, io};

use runtime::{
    proxy::{Proxy, ProxyError},
    read_ahead::ReadAhead,
    tcp::keep_alive,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};
use tunnel::Share;

use super::reach::Reach;
use crate::tunnels::{Carrier, TunnelDialer, TunnelError};

/// A byte stream to a managed cluster, however it came about.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Unpin> Stream for S {}

/// How to reach a managed cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Dialer {
    /// TCP to `host:port`, at the addresses that it may have.
    Direct {
        host: String,
        port: u16,
        reach: Reach,
    },
    /// A proxy's stream to `host:port`.
    Proxy {
        proxy: Proxy,
        host: String,
        port: u16,
    },
    /// A pipe through the tunnel that an agent of the cluster keeps open.
    Tunnel(TunnelDialer),
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
    /// None of its addresses may be connected to.
    #[error(
        "the gateway may not connect to {address}, whose address the managed cluster has chosen"
    )]
    Forbidden { address: String },
    /// The proxy gave no stream.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

/// A stream, and the tunnel that it goes through.
#[derive(Debug)]
pub(crate) struct Dialled {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) carrier: Option<Carrier>,
}

impl Dialer {
    /// Opens a stream, which may use this share of a tunnel. The caller holds the deadline; dropping
    /// the future gives up.
    pub(crate) async fn dial(&self, share: Share) -> Result<Dialled, DialError> {
        match self {
            Self::Direct { host, port, reach } => {
                Ok(Dialled::direct(tcp(host, *port, reach).await?))
            }
            Self::Tunnel(tunnel) => {
                let pipe = tunnel.dial(share).await?;
                Ok(Dialled {
                    stream: Box::new(pipe.stream),
                    carrier: Some(pipe.carrier),
                })
            }
            Self::Proxy { proxy, host, port } => {
                Ok(Dialled::direct(proxy.connect(host, *port).await?))
            }
        }
    }
}

impl Dialled {
    fn direct(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(ReadAhead::new(stream)),
            carrier: None,
        }
    }
}

async fn tcp(host: &str, port: u16, reach: &Reach) -> Result<TcpStream, DialError> {
    let address = || format!("{host}:{port}");
    let failed = |source| DialError::Tcp {
        address: address(),
        source,
    };
    // Resolved here once, so that a name cannot lead elsewhere after it was checked.
    let found = lookup_host((host, port)).await.map_err(failed)?;
    let allowed: Vec<_> = found.filter(|it| reach.allows(it.ip())).collect();
    if allowed.is_empty() {
        return Err(DialError::Forbidden { address: address() });
    }
    let stream = TcpStream::connect(allowed.as_slice())
        .await
        .map_err(failed)?;
    keep_alive(&stream);
    Ok(stream)
}
