//! Connects to an API server, directly or through the proxy that leads there. Small writes are sent
//! at once, because the frames of a tunnel would wait up to 40 ms for the peer's delayed
//! acknowledgement.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use runtime::proxy::{Proxies, ProxyError, ProxyFault, ProxyStream};
use tower::{BoxError, Service};

/// After this silence, the peer is probed.
const IDLE: Duration = Duration::from_secs(20);
/// The time between two probes. Three of them may be lost.
const INTERVAL: Duration = Duration::from_secs(8);
const PROBES: u32 = 3;

/// The way to an API server.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    direct: HttpConnector,
    proxies: Proxies,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("cannot connect to {target}")]
    Direct { target: String, source: BoxError },
    #[error("cannot connect to {target}")]
    Proxy { target: String, source: ProxyError },
    #[error("cannot connect to {target}")]
    Fault { target: String, source: ProxyFault },
    #[error("{0} names no host")]
    Host(Uri),
}

/// A connection to an API server.
#[derive(Debug)]
pub(super) struct Stream(TokioIo<ProxyStream>);

impl Connector {
    pub(super) fn new(proxies: Proxies) -> Self {
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        direct.set_nodelay(true);
        direct.set_keepalive(Some(IDLE));
        direct.set_keepalive_interval(Some(INTERVAL));
        direct.set_keepalive_retries(Some(PROBES));
        Self { direct, proxies }
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Stream, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        // The connector that it uses is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self {
            mut direct,
            proxies,
        } = self.clone();
        Box::pin(async move {
            let tls = uri.scheme_str() != Some("http");
            let Some(host) = uri.host() else {
                return Err(ConnectError::Host(uri));
            };
            let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
            let target = format!("{host}:{port}");
            let host = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned();
            match proxies.to(tls, &host, port) {
                Ok(None) => match direct.call(uri).await {
                    Ok(stream) => Ok(Stream(TokioIo::new(Box::new(stream.into_inner())))),
                    Err(error) => Err(ConnectError::Direct {
                        target,
                        source: error.into(),
                    }),
                },
                Ok(Some(proxy)) => match proxy.connect(&host, port).await {
                    Ok(stream) => Ok(Stream(TokioIo::new(stream))),
                    Err(source) => Err(ConnectError::Proxy { target, source }),
                },
                Err(source) => Err(ConnectError::Fault { target, source }),
            }
        })
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, buffers)
    }
}
