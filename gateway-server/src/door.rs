//! The listener: TLS, then HTTP/2 or HTTP/1.1 as the peer likes, each connection a task of its own
//! that drains when asked and ends when told.

mod long_target;

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use runtime::{
    listener::{Bounds, Visitor, accept},
    read_ahead::ReadAhead,
};
use rustls::{ALL_VERSIONS, ServerConfig, server::ResolvesServerCert, version::TLS13};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::task::TaskTracker;
use tracing::debug;

use self::long_target::LongTargets;
use crate::{
    authentication::{AskForCertificate, Peer},
    ending::Ending,
    executor::TrackedExecutor,
    gateway::Gateway,
};

/// Requests at once on one HTTP/2 connection; Go's clients open another one beyond it.
const MAX_STREAMS: u32 = 250;
/// What one upload may have in flight towards us.
const STREAM_WINDOW: u32 = 128 << 10;
/// Large enough for all uploads to stall at their windows without holding up each other.
const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;
/// Callers in thousands of groups have long heads.
const MAX_HEAD: u32 = 256 << 10;
/// HTTP/2 counts 32 bytes for each header beside its text (RFC 9113 §6.5.2), so this is how many
/// fit into [`MAX_HEAD`]. HTTP/1.1 allows as many, or else upgrades of callers in many groups would
/// fail while their other requests work.
const MAX_HEADERS: usize = MAX_HEAD as usize / 32;
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
const HEAD_DEADLINE: Duration = Duration::from_secs(30);
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_DEADLINE: Duration = Duration::from_secs(15);

/// Accepts connections for a [`Gateway`].
#[derive(Debug)]
pub(crate) struct Door {
    tls: Arc<ServerConfig>,
    gateway: Arc<Gateway>,
    tasks: TaskTracker,
    ending: Ending,
}

/// How the door does TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) certificate: Arc<dyn ResolvesServerCert>,
    /// Older versions are refused.
    pub(crate) only_13: bool,
}

impl Door {
    pub(crate) fn new(
        tls: Tls,
        gateway: Arc<Gateway>,
        tasks: TaskTracker,
        ending: Ending,
    ) -> Arc<Self> {
        Arc::new(Self {
            tls: Arc::new(tls.config()),
            gateway,
            tasks,
            ending,
        })
    }

    /// Accepts until the drain begins.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let (tasks, drain) = (self.tasks.clone(), self.ending.drain.clone());
        accept(
            listener,
            Bounds::AUTHENTICATED,
            tasks,
            drain,
            |stream, visitor| Arc::clone(&self).connection(stream, visitor),
        )
        .await;
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, visitor: Arc<Visitor>) {
        let served = async {
            let acceptor = TlsAcceptor::from(Arc::clone(&self.tls));
            match timeout(HANDSHAKE_DEADLINE, acceptor.accept(ReadAhead::new(stream))).await {
                Ok(Ok(stream)) => self.http(stream, visitor).await,
                Ok(Err(error)) => debug!(%error, "TLS handshake with a caller failed"),
                Err(_) => debug!("TLS handshake with a caller timed out"),
            }
        };
        self.gateway.connections.inc();
        select! {
            () = served => {}
            () = self.ending.cut.cancelled() => {}
        }
        self.gateway.connections.dec();
    }

    async fn http(&self, stream: TlsStream<ReadAhead<TcpStream>>, visitor: Arc<Visitor>) {
        let (_, session) = stream.get_ref();
        let peer = Peer::new(session.peer_certificates(), Arc::clone(&visitor));
        let peer = Arc::new(peer);
        let is_http2 = session.alpn_protocol() == Some(b"h2");
        let gateway = &self.gateway;
        let service = service_fn(move |request: Request<Incoming>| {
            let (gateway, peer) = (Arc::clone(gateway), Arc::clone(&peer));
            async move { Ok::<_, Infallible>(gateway.answer(&peer, request).await) }
        });
        let io = TokioIo::new(LongTargets::new(stream, is_http2));
        let ended = if is_http2 {
            let connection = http2::Builder::new(TrackedExecutor(self.tasks.clone()))
                .timer(TokioTimer::new())
                .max_concurrent_streams(MAX_STREAMS)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_header_list_size(MAX_HEAD)
                .keep_alive_interval(PING_INTERVAL)
                .keep_alive_timeout(PING_DEADLINE)
                .serve_connection(io, service);
            self.drained(connection, &visitor, http2::Connection::graceful_shutdown)
                .await
        } else {
            let connection = http1().serve_connection(io, service).with_upgrades();
            let shut_down = http1::UpgradeableConnection::graceful_shutdown;
            self.drained(connection, &visitor, shut_down).await
        };
        if let Err(error) = ended {
            debug!(%error, "connection of a caller ended");
        }
    }

    /// Drives a connection to its end, and gracefully so once the drain begins or the peer is asked
    /// to leave.
    async fn drained<C, E>(
        &self,
        connection: C,
        visitor: &Visitor,
        shut_down: impl FnOnce(std::pin::Pin<&mut C>),
    ) -> Result<(), E>
    where
        C: Future<Output = Result<(), E>>,
    {
        let mut connection = std::pin::pin!(connection);
        select! {
            ended = connection.as_mut() => return ended,
            () = self.ending.drain.cancelled() => {}
            () = visitor.dismissed() => {}
        }
        shut_down(connection.as_mut());
        connection.await
    }
}

impl Tls {
    fn config(self) -> ServerConfig {
        let versions = if self.only_13 {
            &[&TLS13]
        } else {
            ALL_VERSIONS
        };
        let mut config = ServerConfig::builder_with_protocol_versions(versions)
            .with_client_cert_verifier(Arc::new(AskForCertificate::new()))
            .with_cert_resolver(self.certificate);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}

/// What a caller sends, in pieces whose size is the first byte.
pub(crate) fn fuzz(bytes: &[u8]) {
    long_target::fuzz(bytes);
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD as usize)
        .max_headers(MAX_HEADERS);
    builder
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use http::Response;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// The status line of the answer to a caller in so many groups.
    async fn answer(groups: usize) -> String {
        let mut head = "GET / HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n".to_owned();
        for group in 0..groups {
            write!(head, "x-remote-group: group-{group:06}\r\n").unwrap();
        }
        head.push_str("\r\n");
        let (mut caller, server) = duplex(1 << 20);
        let service = service_fn(|request: Request<Incoming>| {
            let all = request.headers().get_all("x-remote-group").iter().count();
            assert_eq!(all, groups);
            std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
        });
        let exchange = async {
            caller.write_all(head.as_bytes()).await.unwrap();
            let mut said = String::new();
            caller.read_to_string(&mut said).await.unwrap();
            said.lines().next().unwrap_or_default().to_owned()
        };
        let serving = http1().serve_connection(TokioIo::new(server), service);
        let (_, said) = tokio::join!(serving, exchange);
        said
    }

    #[tokio::test]
    async fn groups_over_http1_are_bounded_in_bytes_as_over_http2() {
        for groups in [1, 86, 150, 4000] {
            assert_eq!(answer(groups).await, "HTTP/1.1 200 OK", "{groups}");
        }
        let refused = answer(10_000).await;
        assert!(refused.starts_with("HTTP/1.1 431"), "{refused}");
    }
}
