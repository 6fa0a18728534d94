//! Replicas in this process. Each has a listener, links to the others, and agents on in-memory
//! pipes.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use crds::{ClusterName, gateway::PEER_NAME};
use kube::{Client, Config};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use runtime::readiness::Readiness;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, copy_bidirectional, duplex},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tunnel::{Budget, Dial, Hello, Phase, Refusal, ReplicaId, Session, Share, Target, serve};

use crate::{
    args::{Others, PeerSettings},
    clusters::tests::given,
    ending::Ending,
    metrics::Metrics,
    peers::{
        Peers,
        link::Link,
        news,
        tls::{self, PeerTls},
    },
    replicas::Replicas,
    tunnels::{TunnelDialer, Tunnels},
};

/// Waits until the condition holds.
pub(super) async fn eventually(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), wait).await.unwrap();
}

/// The CA of the replicas' certificates, and the DNS name in them.
pub(super) struct Authority {
    issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
    name: &'static str,
}

impl Authority {
    pub(super) fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: Arc::new(CertifiedIssuer::self_signed(params, key).unwrap()),
            name: PEER_NAME,
        }
    }

    /// The same CA with another DNS name.
    pub(super) fn naming(&self, name: &'static str) -> Self {
        Self {
            issuer: Arc::clone(&self.issuer),
            name,
        }
    }

    /// Writes the certificate, the key and the CA to files.
    fn files(&self, directory: &tempfile::TempDir) -> [PathBuf; 3] {
        let mut params = CertificateParams::new([self.name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pems = [
            ("tls.crt", certificate.pem()),
            ("tls.key", key.serialize_pem()),
            ("ca.crt", self.issuer.pem()),
        ];
        pems.map(|(name, pem)| {
            let path = directory.path().join(name);
            fs::write(&path, pem).unwrap();
            path
        })
    }

    fn tls(&self) -> Arc<PeerTls> {
        let directory = tempfile::tempdir().unwrap();
        let [certificate, key, authority] = self.files(&directory);
        PeerTls::load(certificate, key, authority).unwrap()
    }
}

/// One replica.
pub(super) struct Replica {
    peers: Peers,
    pub(super) metrics: Metrics,
    pub(super) ending: Ending,
    address: SocketAddr,
    background: Mutex<JoinSet<()>>,
    _files: tempfile::TempDir,
}

/// An agent, which disconnects when it is dropped.
pub(super) struct Agent {
    _tasks: JoinSet<()>,
    drain: CancellationToken,
}

impl Agent {
    /// Makes it leave in good order.
    pub(super) fn drain(&self) {
        self.drain.cancel();
    }
}

/// A wire between two replicas.
pub(super) struct Wire {
    _tasks: JoinSet<()>,
    cut: CancellationToken,
}

impl Wire {
    /// Drops whatever is sent from now on.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }
}

/// Answers every pipe with the cluster's name and what it was sent.
struct Echo {
    name: String,
    answers: Mutex<JoinSet<()>>,
}

impl Dial for Echo {
    type Io = DuplexStream;

    async fn dial(&self, _: &Target, _: Share) -> Result<DuplexStream, Refusal> {
        let (ours, theirs) = duplex(1024);
        let name = self.name.clone();
        let mut ours = ours;
        self.answers.lock().spawn(async move {
            let mut heard = String::new();
            if ours.read_to_string(&mut heard).await.is_ok() {
                let _ = ours
                    .write_all(format!("{name} heard {heard}").as_bytes())
                    .await;
                let _ = ours.shutdown().await;
            }
        });
        Ok(theirs)
    }
}

/// A peer without tunnels that tells this as its news.
struct Says {
    news: String,
    tasks: Mutex<JoinSet<()>>,
}

impl Dial for Says {
    type Io = DuplexStream;

    async fn dial(&self, target: &Target, _: Share) -> Result<DuplexStream, Refusal> {
        if *target != news::target() {
            return Err(Refusal::Absent);
        }
        let (mut ours, theirs) = duplex(4096);
        let news = self.news.clone();
        self.tasks.lock().spawn(async move {
            if ours.write_all(news.as_bytes()).await.is_ok() {
                std::future::pending::<()>().await;
            }
        });
        Ok(theirs)
    }
}

impl Replica {
    /// Starts `COUNT` replicas and links each of them to every other one.
    pub(super) async fn linked<const COUNT: usize>(authority: &Authority) -> [Self; COUNT] {
        Self::linked_with(authority, 1 << 30).await
    }

    /// The same, with a limit in bytes for the tunnels of each cluster.
    pub(super) async fn linked_with<const COUNT: usize>(
        authority: &Authority,
        per_cluster: usize,
    ) -> [Self; COUNT] {
        let mut listeners = Vec::new();
        for _ in 0..COUNT {
            let any = (Ipv4Addr::LOCALHOST, 0);
            listeners.push(TcpListener::bind(any).await.unwrap());
        }
        let addresses: Vec<_> = listeners
            .iter()
            .map(|it| it.local_addr().unwrap())
            .collect();
        let replicas: Vec<_> = listeners
            .into_iter()
            .map(|listener| {
                let tunnels = Tunnels::new(1 << 30, per_cluster);
                Self::start(authority, listener, &addresses, tunnels)
            })
            .collect();
        let most = i64::try_from(COUNT - 1).unwrap();
        eventually(|| {
            replicas
                .iter()
                .all(|it| it.metrics.peer_links.get() == most)
        })
        .await;
        replicas.try_into().ok().unwrap()
    }

    fn start(
        authority: &Authority,
        listener: TcpListener,
        all: &[SocketAddr],
        tunnels: Tunnels,
    ) -> Self {
        let files = tempfile::tempdir().unwrap();
        let [certificate, private_key, ca] = authority.files(&files);
        let address = listener.local_addr().unwrap();
        let settings = PeerSettings {
            address,
            certificate,
            private_key,
            authority: ca,
            others: Others::Addresses(all.iter().map(ToString::to_string).collect()),
        };
        let peers = Peers {
            replicas: Replicas::new(1),
            tunnels,
            clusters: given(&[]),
            metrics: Metrics::register(&mut Registry::default()),
            tasks: TaskTracker::new(),
            passing: TaskTracker::new(),
            ending: Ending::default(),
        };
        let replica = Self {
            peers: peers.clone(),
            metrics: peers.metrics.clone(),
            ending: peers.ending.clone(),
            address,
            background: Mutex::default(),
            _files: files,
        };
        let hub = Client::try_from(Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
        let readiness = Readiness::default();
        let mut background = replica.background.lock();
        peers
            .start(settings, listener, hub, &readiness, &mut background)
            .unwrap();
        drop(background);
        replica
    }

    /// Ends it abruptly, like a crash.
    pub(super) fn kill(&self) {
        self.background.lock().abort_all();
        self.ending.cut.cancel();
    }

    /// Attaches an agent of `cluster` to this replica.
    pub(super) async fn attach(&self, cluster: &str) -> Agent {
        let (ours, theirs) = duplex(64 << 10);
        self.attach_over(ours, theirs, cluster).await
    }

    /// Attaches an agent of `cluster` to this replica, through a wire that can be cut.
    pub(super) async fn attach_through_a_wire(&self, cluster: &str) -> (Agent, Wire) {
        let ((ours, mut near), (mut far, theirs)) = (duplex(64 << 10), duplex(64 << 10));
        let cut = CancellationToken::new();
        let is_cut = cut.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let carried = copy_bidirectional(&mut near, &mut far);
            let _ = is_cut.run_until_cancelled(carried).await;
            std::future::pending::<()>().await;
        });
        let agent = self.attach_over(ours, theirs, cluster).await;
        (agent, Wire { _tasks: tasks, cut })
    }

    async fn attach_over(&self, ours: DuplexStream, theirs: DuplexStream, cluster: &str) -> Agent {
        let mut tasks = JoinSet::new();
        let echo = Arc::new(Echo {
            name: cluster.to_owned(),
            answers: Mutex::default(),
        });
        let drain = CancellationToken::new();
        let drains = drain.clone().cancelled_owned();
        tasks.spawn(async move {
            let (phase, _) = watch::channel(Phase::Greeting);
            let budget = Budget::new(1 << 30);
            let _ = serve(theirs, &Hello::default(), echo, &budget, phase, drains).await;
        });
        let cluster = name(cluster);
        let budget = self.peers.tunnels.budget(&cluster);
        let hello = self.peers.replicas.hello();
        let attached = Session::attach(ours, &hello, budget.clone()).await;
        let (session, driver) = attached.unwrap();
        self.peers
            .tunnels
            .add(&cluster, session.clone(), budget, None);
        let tunnels = self.peers.tunnels.clone();
        self.background.lock().spawn(async move {
            tokio::select! {
                _ = driver.run(std::future::pending()) => {}
                never = tunnels.tell_drain(&cluster, &session) => match never {},
            }
            tunnels.remove(&cluster, &session);
        });
        Agent {
            _tasks: tasks,
            drain,
        }
    }

    pub(super) fn dialer(&self, cluster: &str) -> TunnelDialer {
        TunnelDialer::apiserver(&name(cluster), &self.peers.tunnels)
    }

    pub(super) fn sees(&self, cluster: &str) -> bool {
        self.dialer(cluster).is_attached()
    }

    /// The number of other replicas that say that they have a tunnel and take pipes.
    pub(super) fn peers_of(&self, cluster: &str) -> usize {
        self.peers.tunnels.peers_of(&name(cluster)).len()
    }

    pub(super) fn id(&self) -> &ReplicaId {
        self.peers.replicas.own()
    }

    /// How many replicas there are, as agents are told.
    pub(super) fn number(&self) -> u16 {
        *self.peers.replicas.numbers().borrow()
    }

    /// Makes this replica believe that each peer with a tunnel of `known` has a tunnel of
    /// `cluster`, too.
    pub(super) async fn believes_of(&self, cluster: &str, known: &str) {
        eventually(|| self.peers_of(known) == 1).await;
        for peer in self.peers.tunnels.peers_of(&name(known)) {
            self.peers.tunnels.peer_holds(&peer, name(cluster));
        }
    }

    /// Links this replica to a peer that has a replica's certificate and tells `news`.
    pub(super) async fn link_to_a_peer_that_says(
        &self,
        authority: &Authority,
        news: String,
    ) -> Agent {
        let any = (Ipv4Addr::LOCALHOST, 0);
        let listener = TcpListener::bind(any).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let tls = authority.tls();
        let acceptor = TlsAcceptor::from(tls.server());
        let mut tasks = JoinSet::new();
        let news = Arc::new(Says {
            news,
            tasks: Mutex::default(),
        });
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let (phase, _) = watch::channel(Phase::Greeting);
                let (budget, hello) = (Budget::new(1 << 30), Replicas::new(2).hello());
                let drain = std::future::pending();
                let _ = serve(stream, &hello, Arc::clone(&news), &budget, phase, drain).await;
            }
        });
        tasks.spawn(Link::new(self.peers.clone(), tls, address).keep(|| {}));
        Agent {
            _tasks: tasks,
            drain: CancellationToken::new(),
        }
    }

    /// Links this replica to another one once more, through a wire that can be cut.
    pub(super) async fn link_through_a_wire(&self, other: &Self, authority: &Authority) -> Wire {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (to, cut) = (other.address, CancellationToken::new());
        let is_cut = cut.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(to).await.unwrap();
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                () = is_cut.cancelled() => {}
            }
            // Both ends stay open, and nothing is answered, as if packets were dropped.
            std::future::pending::<()>().await;
        });
        let link = Link::new(self.peers.clone(), authority.tls(), address);
        tasks.spawn(link.keep(|| {}));
        Wire { _tasks: tasks, cut }
    }

    /// Connects to another replica with a certificate of that CA.
    pub(super) async fn session_to(
        &self,
        other: &Self,
        authority: &Authority,
    ) -> Result<Session, std::io::Error> {
        let stream = TcpStream::connect(other.address).await?;
        let connector = TlsConnector::from(authority.tls().client());
        let stream = connector.connect(tls::name(), stream).await?;
        let hello = self.peers.replicas.hello();
        let attached = Session::attach(stream, &hello, Budget::new(1 << 30)).await;
        let (session, driver) = attached.map_err(std::io::Error::other)?;
        self.background.lock().spawn(async move {
            driver.run(std::future::pending()).await;
        });
        Ok(session)
    }
}

fn name(cluster: &str) -> ClusterName {
    cluster.parse().unwrap()
}
