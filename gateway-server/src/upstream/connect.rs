//! From nothing to an HTTP connection with a managed cluster: dial, TLS, HTTP handshake, each with
//! a deadline and each named in the error.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures::FutureExt as _;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::debug;
use tunnel::Share;

use super::{
    dial::{DialError, Dialer, Dialled, Stream},
    request_body::RequestBody,
    tls::TlsSettings,
};
use crate::{executor::TrackedExecutor, tunnels::Carrier};

/// How long one phase may take.
pub(crate) const PHASE_DEADLINE: Duration = Duration::from_secs(10);
/// What one stream may have in flight towards us.
const STREAM_WINDOW: u32 = 256 << 10;
/// How many streams can stall at a full window before they hold up their neighbours: as many as
/// kube-apiserver allows on a connection, so none ever does.
const CONNECTION_WINDOW: u32 = 100 * STREAM_WINDOW;
const FRAME_SIZE: u32 = 64 << 10;
/// An idle or waiting connection is probed this often …
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// … and given up when the answer takes longer than this.
const PING_DEADLINE: Duration = Duration::from_secs(10);

/// The largest head of an HTTP/1.1 answer, and the most headers in it. Not their number but their
/// bytes must be bounded, so there are as many as HTTP/2 counts in this size.
const MAX_HEAD: usize = 256 << 10;
const MAX_HEADERS: usize = MAX_HEAD / 32;

/// The largest number of tunnels that are tried if they do not lead to the cluster's API server.
const TUNNELS_TRIED: usize = 4;

/// How often a new connection is looked at for the peer's SETTINGS.
const SETTINGS_POLL: Duration = Duration::from_millis(1);

/// A step on the way to a managed cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Name resolution, TCP, and a proxy's CONNECT.
    Dial,
    /// The TLS handshake.
    Tls,
    /// The HTTP/2 preface, or nothing for HTTP/1.1.
    Http,
}

/// There is no connection to a managed cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// No bytes could be exchanged.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// TLS failed; usually its certificate is not of the CA we have.
    #[error("TLS handshake: {0}")]
    Tls(std::io::Error),
    /// TLS went well, and then the other end did not speak HTTP.
    #[error("HTTP handshake: {0}")]
    Http(hyper::Error),
    /// A phase took too long.
    #[error("{} did not finish within {} s", phase.name(), PHASE_DEADLINE.as_secs())]
    Deadline { phase: Phase },
}

/// What a connection attempt yields.
#[derive(Debug)]
pub(crate) enum Connected {
    Http1(http1::SendRequest<RequestBody>),
    Http2(Http2),
}

/// An HTTP/2 connection to a managed cluster.
#[derive(Clone, Debug)]
pub(crate) struct Http2 {
    pub(crate) sender: http2::SendRequest<RequestBody>,
    /// Its driver, which is asked for the peer's limits; gone when it has ended, since hyper hands
    /// back what waits to be sent only when the driver is dropped.
    driver: Arc<Mutex<Option<Driver>>>,
    /// The tunnel that it goes through; `None` if it goes through none.
    carrier: Option<Carrier>,
    /// Cancelled when it has ended.
    ended: CancellationToken,
}

/// TLS with a managed cluster, and the tunnel that it goes through.
struct Secured {
    stream: TlsStream<Box<dyn Stream>>,
    carrier: Option<Carrier>,
}

type Driver = http2::Connection<TokioIo<TlsStream<Box<dyn Stream>>>, RequestBody, TrackedExecutor>;

/// Makes connections to one managed cluster.
#[derive(Debug)]
pub(crate) struct Connector {
    dialer: Dialer,
    tls: Option<TlsSettings>,
    pub(crate) tasks: TaskTracker,
    /// Ends every connection: the managed cluster is gone.
    gone: CancellationToken,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Dial => "dial",
            Self::Tls => "TLS handshake",
            Self::Http => "HTTP handshake",
        }
    }
}

impl ConnectError {
    /// Whether it says that the place is bad. That no agent is connected right now does not, and
    /// neither does that as much is open as is allowed.
    pub(crate) fn is_of_place(&self) -> bool {
        match self {
            Self::Dial(DialError::Tunnel(error)) => !error.is_absent() && !error.is_full(),
            _ => true,
        }
    }
}

impl ConnectError {
    /// Whether it says that the place is down or does not answer, which may be over soon. What is set up
    /// wrongly fails at once, and does so until somebody changes it.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Dial(DialError::Tunnel(error)) => error.is_outage(),
            Self::Dial(DialError::Tcp { .. } | DialError::Proxy(_)) | Self::Deadline { .. } => true,
            Self::Dial(DialError::Forbidden { .. }) | Self::Tls(_) | Self::Http(_) => false,
        }
    }

    /// Whether something else is at the end of the connection than what should be there.
    fn is_of_another(&self) -> bool {
        let Self::Tls(error) = self else {
            return false;
        };
        let source = error.get_ref().and_then(|it| it.downcast_ref());
        matches!(source, Some(rustls::Error::InvalidCertificate(_)))
    }
}

impl Connector {
    /// `tls` is `None` if the other end speaks plain HTTP.
    pub(crate) fn new(
        dialer: Dialer,
        tls: Option<TlsSettings>,
        tasks: TaskTracker,
        gone: CancellationToken,
    ) -> Self {
        Self {
            dialer,
            tls,
            tasks,
            gone,
        }
    }

    /// A connection for the pool: HTTP/2 if the peer supports it.
    pub(crate) async fn pooled(&self) -> Result<Connected, ConnectError> {
        let Some(tls) = &self.tls else {
            return self.http1(self.share()).await.map(Connected::Http1);
        };
        let secured = self.secured(tls, &tls.pooled, self.share()).await?;
        if secured.stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            within(Phase::Http, self.http2_over(secured))
                .await
                .map(Connected::Http2)
        } else {
            self.http1_over(secured.stream).await.map(Connected::Http1)
        }
    }

    /// What pooled connections may use of a tunnel. A request to a service has a connection of its
    /// own, so only those to API servers are shared.
    pub(crate) fn share(&self) -> Share {
        if self.tls.is_some() {
            Share::Whole
        } else {
            Share::Unreserved
        }
    }

    /// An HTTP/1.1 connection that can be upgraded.
    pub(crate) async fn http1(
        &self,
        share: Share,
    ) -> Result<http1::SendRequest<RequestBody>, ConnectError> {
        // Boxed, because the state of a handshake is kilobytes, and every request's future would
        // reserve space for it.
        Box::pin(async {
            match &self.tls {
                Some(tls) => {
                    let secured = self.secured(tls, &tls.upgradable, share).await?;
                    self.http1_over(secured.stream).await
                }
                None => self.http1_over(self.dialled(share).await?.stream).await,
            }
        })
        .await
    }

    async fn dialled(&self, share: Share) -> Result<Dialled, ConnectError> {
        within(Phase::Dial, async { Ok(self.dialer.dial(share).await?) }).await
    }

    async fn secured(
        &self,
        tls: &TlsSettings,
        config: &Arc<ClientConfig>,
        share: Share,
    ) -> Result<Secured, ConnectError> {
        let mut tried = 0;
        loop {
            let Dialled { stream, carrier } = self.dialled(share).await?;
            let connector = TlsConnector::from(Arc::clone(config));
            let handshake = connector.connect(tls.server_name.clone(), stream);
            let shaken = within(
                Phase::Tls,
                handshake.map(|done| done.map_err(ConnectError::Tls)),
            );
            tried += 1;
            match (shaken.await, carrier) {
                (Ok(stream), carrier) => {
                    carrier.iter().for_each(Carrier::fits);
                    return Ok(Secured { stream, carrier });
                }
                // Two agents of one name may run on different clusters.
                (Err(error), Some(carrier))
                    if error.is_of_another() && carrier.leads_astray() && tried < TUNNELS_TRIED => {
                }
                (Err(error), _) => return Err(error),
            }
        }
    }

    async fn http1_over(
        &self,
        stream: impl Stream + 'static,
    ) -> Result<http1::SendRequest<RequestBody>, ConnectError> {
        let handshake = async {
            http1::Builder::new()
                .max_buf_size(MAX_HEAD)
                .max_headers(MAX_HEADERS)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(ConnectError::Http)
        };
        let (sender, connection) = within(Phase::Http, handshake).await?;
        let gone = self.gone.clone();
        self.tasks.spawn(async move {
            let ended = gone.run_until_cancelled(connection.with_upgrades()).await;
            if let Some(Err(error)) = ended {
                debug!(%error, "HTTP/1.1 connection to the managed cluster ended");
            }
        });
        Ok(sender)
    }

    async fn http2_over(&self, secured: Secured) -> Result<Http2, ConnectError> {
        let Secured { stream, carrier } = secured;
        let (sender, connection) = http2::Builder::new(TrackedExecutor(self.tasks.clone()))
            .timer(TokioTimer::new())
            // Nothing is sent before the peer has said how many streams it allows.
            .initial_max_send_streams(0)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_SIZE)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_DEADLINE)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ConnectError::Http)?;
        let driver = Arc::new(Mutex::new(Some(connection)));
        let ended = CancellationToken::new();
        let moving = drive(Arc::clone(&driver), self.gone.clone());
        let guard = ended.clone().drop_guard();
        self.tasks.spawn(async move {
            moving.await;
            drop(guard);
        });
        let http2 = Http2 {
            sender,
            driver,
            carrier,
            ended,
        };
        http2.settled().await;
        Ok(http2)
    }
}

async fn drive(driver: Arc<Mutex<Option<Driver>>>, gone: CancellationToken) {
    let ended = poll_fn(|context| match driver.lock().as_mut() {
        Some(connection) => connection.poll_unpin(context),
        None => Poll::Ready(Ok(())),
    });
    if let Some(Err(error)) = gone.run_until_cancelled(ended).await {
        debug!(%error, "HTTP/2 connection to the managed cluster ended");
    }
    driver.lock().take();
}

impl Http2 {
    /// How many streams the peer allows right now.
    pub(crate) fn allowed_streams(&self) -> usize {
        self.driver
            .lock()
            .as_ref()
            .map_or(0, Driver::current_max_send_streams)
    }

    /// A future that resolves with true when its tunnel is about to end, or with false when the
    /// connection has ended; `None` if it goes through no tunnel.
    pub(crate) fn retired(&self) -> Option<impl Future<Output = bool> + Send + use<>> {
        let (carrier, ended) = (self.carrier.clone()?, self.ended.clone());
        Some(async move {
            let retired = ended.run_until_cancelled(carrier.retired()).await;
            retired.is_some()
        })
    }

    /// Whether its tunnel is about to end. New requests should use another connection.
    pub(crate) fn is_retiring(&self) -> bool {
        self.carrier.as_ref().is_some_and(Carrier::is_retiring)
    }

    /// Waits for the peer's SETTINGS, or for the connection's end. hyper tells nobody when they
    /// come, so this looks; they follow the handshake at once.
    async fn settled(&self) {
        while self.allowed_streams() == 0 && !self.sender.is_closed() {
            sleep(SETTINGS_POLL).await;
        }
    }
}

async fn within<T>(
    phase: Phase,
    work: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    timeout(PHASE_DEADLINE, work)
        .await
        .unwrap_or(Err(ConnectError::Deadline { phase }))
}
