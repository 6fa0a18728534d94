//! The link to one replica. It is reestablished when it ends, and while it lasts it takes in the
//! replica's news. When the news ends, everything that the replica has said is forgotten at once,
//! and open pipes continue.

use std::{io, sync::Arc, time::Duration};

use kubernetes::pauses::Pauses;
use runtime::{news::News, read_ahead::ReadAhead, tcp::keep_alive};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    net::TcpStream,
    select,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, info, warn};
use tunnel::{AttachError, Liveness, OpenError, ReplicaId, Session, Stream};

use super::{
    Peers,
    news::{self, Line, MAX_CLUSTERS, MAX_LINE},
    tls::{self, PeerTls},
};
use crate::{metrics::Counted, replicas::Member, tunnels::Peer};

/// The time limit for TCP and TLS together.
const DEADLINE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long an address is not dialled again if it is this replica's own.
const OWN_ADDRESS: Duration = Duration::from_mins(1);
/// The largest number of connections to one replica. Each carries 256 pipes.
const MAX_CONNECTIONS: usize = 32;

/// The link to the replica at one address.
#[derive(Debug)]
pub(super) struct Link {
    peers: Peers,
    tls: Arc<PeerTls>,
    address: String,
}

/// Why a link could not be established, or was lost.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("cannot connect: {0}")]
    Tcp(io::Error),
    #[error("TLS: {0}")]
    Tls(io::Error),
    #[error("no connection within {} s", DEADLINE.as_secs())]
    Deadline,
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error("it does not say which replica it is")]
    Nameless,
    #[error("no news of it: {0}")]
    NoNews(#[from] OpenError),
    #[error("its news broke off: {0}")]
    News(io::Error),
    #[error("its news have a line of more than {MAX_LINE} bytes")]
    Line,
}

/// How an established link ended.
enum Ended {
    /// The replica closed it cleanly.
    Closed,
    /// The address is that of this replica itself.
    Itself,
}

/// A session and the guard that ends it.
struct Connected {
    session: Session,
    replica: ReplicaId,
    /// Dropping it ends the opening of pipes.
    guard: DropGuard,
}

impl Link {
    pub(super) fn new(peers: Peers, tls: Arc<PeerTls>, address: String) -> Self {
        Self {
            peers,
            tls,
            address,
        }
    }

    /// Keeps the link up for as long as it is polled. `tried` is called when the first attempt has
    /// failed, or when the replica has told its whole state once.
    pub(super) async fn keep(self, tried: impl FnOnce() + Send + 'static) {
        let mut tried = Some(tried);
        let mut pauses = self.pauses();
        let mut news = News::default();
        loop {
            let begin = Instant::now();
            let ended = self.hold(&mut tried).await;
            if let Some(tried) = tried.take() {
                tried();
            }
            if begin.elapsed() > LONGEST_PAUSE {
                pauses = self.pauses();
            }
            let pause = match ended {
                Ok(Ended::Itself) => OWN_ADDRESS,
                Ok(Ended::Closed) => {
                    news.of(None);
                    FIRST_PAUSE
                }
                Err(error) => {
                    if let Some(error) = news.of(Some(error.to_string())) {
                        warn!(address = self.address, error, "no link to another replica");
                    }
                    pauses.next().unwrap_or(LONGEST_PAUSE)
                }
            };
            sleep(pause).await;
        }
    }

    fn pauses(&self) -> Pauses {
        Pauses::new(FIRST_PAUSE, LONGEST_PAUSE).with_jitter(&self.address)
    }

    async fn hold(&self, tried: &mut Option<impl FnOnce()>) -> Result<Ended, LinkError> {
        let Connected {
            session,
            replica,
            guard,
        } = self.connect().await?;
        if *self.peers.replicas.own() == replica {
            return Ok(Ended::Itself);
        }
        let news = session.open(&news::target()).await?;
        let peer = Arc::new(Peer::new(replica, self.peers.metrics.pipes_passed.clone()));
        peer.add(session);
        info!(address = self.address, replica = %peer.id, "linked to another replica");
        let here = Here {
            peers: &self.peers,
            peer: &peer,
            _counted: Counted::new(self.peers.metrics.peer_links.clone()),
        };
        let read = select! {
            read = self.listen(&peer, news, tried) => read,
            never = self.grow(&peer) => never,
        };
        drop((here, guard));
        match &read {
            Ok(()) => info!(replica = %peer.id, "another replica has closed its link"),
            Err(error) => warn!(replica = %peer.id, %error, "link to another replica lost"),
        }
        read.map(|()| Ended::Closed)
    }

    /// Takes in the replica's news until it ends.
    async fn listen(
        &self,
        peer: &Arc<Peer>,
        news: Stream,
        tried: &mut Option<impl FnOnce()>,
    ) -> Result<(), LinkError> {
        let (tunnels, clusters) = (&self.peers.tunnels, &self.peers.clusters);
        let mut news = BufReader::new(news);
        let mut line = String::new();
        let mut held = 0;
        let mut member = None;
        loop {
            line.clear();
            let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
            let read = (&mut news).take(limit).read_line(&mut line).await;
            if read.map_err(LinkError::News)? == 0 {
                return Ok(());
            }
            let text = line.strip_suffix('\n').ok_or(LinkError::Line)?;
            match Line::read(text) {
                Some(Line::Holds(cluster)) if held < MAX_CLUSTERS => {
                    held += 1;
                    tunnels.peer_holds(peer, cluster);
                }
                Some(Line::Lacks(cluster)) => {
                    held = held.saturating_sub(1);
                    tunnels.peer_lacks(peer, &cluster);
                }
                Some(Line::TunnelDrains(cluster)) => tunnels.peer_tunnel_drains(peer, &cluster),
                Some(Line::Saw(cluster, view)) => clusters.hear_view(&peer.id, cluster, view),
                Some(Line::Shows(cluster, decision)) => clusters.hear_decision(cluster, decision),
                Some(Line::Gone(went)) => clusters.hear_gone(went),
                Some(Line::Since(revision)) => clusters.hear_oldest(revision),
                Some(Line::Told) => {
                    member = Some(self.peers.replicas.join(peer.id.clone()));
                    if let Some(tried) = tried.take() {
                        tried();
                    }
                }
                Some(Line::Drains) => {
                    info!(replica = %peer.id, "another replica drains");
                    peer.drains();
                    member.iter().for_each(Member::drains);
                }
                // One cluster too many, or a line of a later version.
                Some(Line::Holds(_)) | None => debug!(replica = %peer.id, "line ignored"),
            }
        }
    }

    /// Opens one more connection whenever the existing ones are nearly full.
    async fn grow<T>(&self, peer: &Peer) -> T {
        let mut guards = Vec::new();
        loop {
            peer.crowded().await;
            if guards.len() + 1 >= MAX_CONNECTIONS {
                continue;
            }
            match self.connect().await {
                Ok(connected) if connected.replica == peer.id => {
                    guards.push(connected.guard);
                    peer.add(connected.session);
                }
                Ok(_) => {}
                Err(error) => {
                    debug!(address = self.address, %error, "no other connection to a replica");
                    sleep(FIRST_PAUSE).await;
                }
            }
        }
    }

    /// Connects to the replica at the address. A task of its own moves the bytes, so that pipes
    /// continue after the link has ended.
    async fn connect(&self) -> Result<Connected, LinkError> {
        let stream = timeout(DEADLINE, self.dial()).await;
        let stream = stream.unwrap_or(Err(LinkError::Deadline))?;
        let budget = self.peers.tunnels.process_budget().clone();
        // Boxed, because the state of a handshake is kilobytes and is needed only here.
        let hello = self.peers.replicas.hello();
        let attached = Box::pin(Session::attach(stream, &hello, budget)).await;
        let (session, driver) = attached?;
        let replica = session.replica().cloned().ok_or(LinkError::Nameless)?;
        let ends = CancellationToken::new();
        let (cut, ended) = (self.peers.ending.cut.clone(), ends.clone());
        self.peers.tasks.spawn(async move {
            let driver = driver.noticing(Liveness::PEER);
            cut.run_until_cancelled(driver.run(ended.cancelled_owned()))
                .await;
        });
        Ok(Connected {
            session,
            replica,
            guard: ends.drop_guard(),
        })
    }

    async fn dial(&self) -> Result<TlsStream<ReadAhead<TcpStream>>, LinkError> {
        let stream = TcpStream::connect(&self.address).await;
        let stream = stream.map_err(LinkError::Tcp)?;
        keep_alive(&stream);
        let connector = TlsConnector::from(self.tls.client());
        let connected = connector.connect(tls::name(), ReadAhead::new(stream)).await;
        connected.map_err(LinkError::Tls)
    }
}

/// Forgets a replica when its link ends, for whatever reason.
struct Here<'a> {
    peers: &'a Peers,
    peer: &'a Arc<Peer>,
    _counted: Counted,
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.peers.tunnels.forget_peer(self.peer);
        self.peers.clusters.lose_replica(&self.peer.id);
    }
}
