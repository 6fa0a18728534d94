//! The listener for other replicas: it passes their pipes to the tunnels of this replica, and tells
//! them which tunnels there are.

use std::{sync::Arc, time::Duration};

use runtime::{
    listener::{Bounds, Visitor, accept},
    read_ahead::ReadAhead,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};
use tunnel::{Dial, Liveness, OpenError, Phase, Refusal, Share, Target, serve};

use super::{
    Peers,
    news::{self, State, Told},
    tls::{PeerTls, is_replica},
};
use crate::tunnels::parse_passed;

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// How often to check for news of clusters.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Bytes of news that may wait for the reader.
const NEWS_BUFFER: usize = 4 << 10;

/// Accepts other replicas.
#[derive(Debug)]
pub(super) struct PeerDoor {
    peers: Peers,
    tls: Arc<PeerTls>,
}

impl PeerDoor {
    pub(super) fn new(peers: Peers, tls: Arc<PeerTls>) -> Arc<Self> {
        Arc::new(Self { peers, tls })
    }

    /// Accepts connections until the drain begins.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let (passing, drain) = (self.peers.passing.clone(), self.peers.ending.drain.clone());
        accept(
            listener,
            Bounds::AUTHENTICATED,
            passing,
            drain,
            |stream, visitor| {
                let door = Arc::clone(&self);
                async move {
                    select! {
                        () = door.connection(stream, &visitor) => {}
                        () = door.peers.ending.cut.cancelled() => {}
                    }
                }
            },
        )
        .await;
    }

    async fn connection(&self, stream: TcpStream, visitor: &Visitor) {
        let acceptor = TlsAcceptor::from(self.tls.server());
        let accepted = timeout(HANDSHAKE_DEADLINE, acceptor.accept(ReadAhead::new(stream))).await;
        let stream = match accepted {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                self.peers.metrics.peer_refusals.inc();
                return warn!(%error, "TLS handshake with another replica failed");
            }
            Err(_) => return debug!("TLS handshake with another replica timed out"),
        };
        if let Err(error) = is_replica(stream.get_ref().1.peer_certificates()) {
            self.peers.metrics.peer_refusals.inc();
            return warn!(%error, "a peer is refused because its certificate is not that of a replica");
        }
        visitor.identify();
        let (phase, _) = watch::channel(Phase::Greeting);
        let passes = Arc::new(Passes(self.peers.clone()));
        let budget = self.peers.tunnels.process_budget();
        let (hello, drain) = (
            self.peers.replicas.hello(),
            self.peers.ending.drain.cancelled(),
        );
        // Boxed, because the state of a handshake is kilobytes, and every connection's future would
        // reserve space for it.
        let served = Box::pin(serve(stream, &hello, passes, budget, phase, drain));
        if let Err(error) = served.await {
            debug!(%error, "connection of another replica ended");
        }
    }
}

/// Passes the pipes of other replicas to the tunnels of this one.
struct Passes(Peers);

impl Dial for Passes {
    type Io = Box<dyn PassedIo>;

    const LIVENESS: Liveness = Liveness::PEER;

    async fn dial(&self, target: &Target, share: Share) -> Result<Self::Io, Refusal> {
        if *target == news::target() {
            let (ours, theirs) = duplex(NEWS_BUFFER);
            let peers = self.0.clone();
            self.0.tasks.spawn(async move { peers.tell(ours).await });
            return Ok(Box::new(theirs));
        }
        let (cluster, target) = parse_passed(target).ok_or(Refusal::Malformed)?;
        let opened = self.0.tunnels.open_here(&cluster, &target, share);
        match opened.await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(refusal(&error)),
        }
    }
}

/// A pipe of a tunnel, or the news.
pub(super) trait PassedIo: AsyncRead + AsyncWrite + Send + Unpin {}

impl<IO: AsyncRead + AsyncWrite + Send + Unpin> PassedIo for IO {}

fn refusal(error: &OpenError) -> Refusal {
    match error {
        OpenError::Refused(refusal) => *refusal,
        OpenError::Closing => Refusal::Absent,
        OpenError::Budget => Refusal::Busy,
        OpenError::Deadline => Refusal::TimedOut,
        OpenError::Broken(_) => Refusal::Unreachable,
    }
}

impl Peers {
    /// Tells the other replica the state of this one and its changes, until either of them ends.
    async fn tell(self, mut out: DuplexStream) {
        let mut held = self.tunnels.changes();
        let mut told = Told::default();
        loop {
            held.mark_unchanged();
            let drains = self.ending.leaving.is_cancelled();
            let seen = self.clusters.sightings_change();
            let state = State {
                held: self.tunnels.held(),
                sightings: self.clusters.sightings(),
                drains,
            };
            let lines = told.update(state, || self.clusters.history());
            let written = async { out.write_all(lines.as_bytes()).await };
            select! {
                written = written => if written.is_err() { return },
                () = self.ending.cut.cancelled() => return,
            }
            select! {
                changed = held.changed() => if changed.is_err() { return },
                () = self.ending.leaving.cancelled(), if !drains => {}
                // The end of the news makes other replicas forget this one, so they open no more
                // pipes here.
                () = self.ending.drain.cancelled() => return,
                () = self.sightings_other_than(seen) => {}
                () = self.ending.cut.cancelled() => return,
                // The other replica never sends anything, so this means that it has closed the
                // pipe.
                () = closed(&mut out) => return,
            }
        }
    }
}

impl Peers {
    /// Waits until there is news of clusters.
    async fn sightings_other_than(&self, seen: u64) {
        while seen == self.clusters.sightings_change() {
            sleep(LOOK_EVERY).await;
        }
    }
}

async fn closed(out: &mut DuplexStream) {
    use tokio::io::AsyncReadExt as _;
    let mut byte = [0];
    while out.read(&mut byte).await.is_ok_and(|read| read > 0) {}
}
