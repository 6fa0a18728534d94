//! From settings to a running process, and back: bind everything, follow the hub, serve, drain.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use kube::Client;
use kubernetes::{clock::now, source::Source};
use prometheus_client::registry::Registry;
use runtime::{
    admin::Admin,
    process::{self, Threads},
    process_metrics,
    readiness::Readiness,
    shutdown,
    tcp::listen,
};
use rustls::server::ResolvesServerCert;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    api::{discovery::Discovery, openapi::OpenApi},
    args::{Settings, TunnelEntrance},
    attach::{AgentAuthority, Attach, Refusals, TunnelDoor},
    audit::Audit,
    authentication::{Authenticator, Tokens},
    authorization::Authorizer,
    clusters::{Clusters, Derivation},
    door::{Door, Tls},
    ending::Ending,
    follow::follow_hub,
    gateway::Gateway,
    grants::Grants,
    health::HealthNotes,
    hub_clock::HubClock,
    identities,
    metrics::{Metrics, up::Up},
    peers::Peers,
    proxy::{Outbound, Proxy},
    replicas::Replicas,
    seats::Hall,
    serving,
    tunnels::Tunnels,
};

/// Runs the gateway until it is told to stop.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    let runtime = process::start(&settings.log_filter, settings.log_format, Threads::All)?;
    say_settings(&settings);
    runtime.block_on(serve(settings))
}

/// Which clusters the gateway serves, how it reaches them, and who callers are there.
fn say_settings(settings: &Settings) {
    let account = settings.managed_service_account.as_ref();
    let identities = settings.identities.as_ref();
    let ranges: Vec<_> = settings
        .egress_addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    let exposed: Vec<_> = settings.exposed.iter().map(ToString::to_string).collect();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        secret_namespace = settings.secret_namespace,
        managed_service_account = account.map(ToString::to_string),
        egress = ?settings.egress,
        egress_addresses = ranges.join(","),
        identity = if identities.is_some() { "impersonate" } else { "service-account" },
        fallback = identities.map(|it| format!("{:?}", it.fallback)),
        user_prefix = identities.map(|it| it.prefix.as_str()),
        exposed = exposed.join(","),
        replicas = settings.replicas,
        peers = settings.peers.is_some(),
        "the gateway starts"
    );
    for (flag, instead) in &settings.ignored {
        warn!(flag, "this flag has no effect: {instead}");
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let clock = HubClock::default();
    let hub = hub(settings.kubeconfig.clone(), &clock).await?;
    let serving_with = serving::certificate(settings.certificate.as_ref())?;
    let listener = bind(settings.address)?;
    let admin_listener = bind(settings.admin_address)?;

    let (registry, metrics, up) = register();
    let readiness = Readiness::default();
    let admin = Admin {
        readiness: readiness.clone(),
        metrics: Arc::new(registry),
    };
    let ending = Ending::new(settings.shutdown_delay);
    let (requests, passing) = (TaskTracker::new(), TaskTracker::new());
    let process = Process {
        hub: hub.clone(),
        metrics,
        admin: admin.clone(),
        requests: requests.clone(),
        ending: ending.clone(),
        clock,
    };
    let audit = audit(&settings, &process.metrics)?;
    let gateway = process.gateway(&settings, audit.clone());
    up.tell(&gateway.clusters);

    let mut background = follow_hub(&gateway, &hub, &settings, &readiness);
    background.spawn(serving_with.following);
    background.spawn(admin.serve(admin_listener, ending.cut.clone()));
    let told = CancellationToken::new();
    background.spawn(shutdown::on_signal(told.clone()));

    if let Some(entrance) = settings.tunnel_entrance {
        let attach = gateway.attach.clone();
        let certificate = Arc::clone(&serving_with.certificate);
        open_entrance(entrance, certificate, attach, &mut background)?;
    }
    if let Some(peer_settings) = settings.peers {
        let listener = bind(peer_settings.address)?;
        info!(address = %peer_settings.address, "other replicas may connect here");
        let peers = peers(&gateway.attach, passing.clone());
        peers.start(peer_settings, listener, hub, &readiness, &mut background)?;
    }
    info!(address = %settings.address, admin = %settings.admin_address, "serving");
    let serving = readiness.condition("serving");
    serving.set(true);
    background.spawn(ending.clone().begin(told.cancelled_owned(), serving));
    let tls = Tls {
        certificate: serving_with.certificate,
        only_13: settings.only_tls_13,
    };
    let door = Door::new(tls, gateway, requests.clone(), ending.clone());
    door.serve(listener).await;

    ending
        .finish(&requests, &passing, settings.drain_deadline)
        .await;
    background.shutdown().await;
    audit.close().await;
    info!("stopped");
    Ok(())
}

fn register() -> (Registry, Metrics, Up) {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let up = Up::register(&mut registry);
    process_metrics::register(&mut registry, "gateway", env!("CARGO_PKG_VERSION"));
    (registry, metrics, up)
}

/// Lets agents attach by mutual TLS.
fn open_entrance(
    entrance: TunnelEntrance,
    certificate: Arc<dyn ResolvesServerCert>,
    attach: Attach,
    background: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    let TunnelEntrance { address, authority } = entrance;
    let listener = bind(address)?;
    let authority = AgentAuthority::load(authority)?;
    background.spawn(Arc::clone(&authority).follow());
    background.spawn(TunnelDoor::new(certificate, authority, attach).serve(listener));
    info!(%address, "agents may attach here by mutual TLS");
    Ok(())
}

fn peers(attach: &Attach, passing: TaskTracker) -> Peers {
    let Attach {
        replicas,
        tunnels,
        clusters,
        authorizer: _,
        metrics,
        tasks,
        ending,
        attached: _,
        refusals: _,
    } = attach.clone();
    Peers {
        replicas,
        tunnels,
        clusters,
        metrics,
        tasks,
        passing,
        ending,
    }
}

/// What the parts of the gateway share at the start.
struct Process {
    hub: Client,
    metrics: Metrics,
    admin: Admin,
    requests: TaskTracker,
    ending: Ending,
    clock: HubClock,
}

impl Process {
    fn gateway(self, settings: &Settings, audit: Audit) -> Arc<Gateway> {
        let Self {
            hub,
            metrics,
            admin,
            requests,
            ending,
            clock,
        } = self;
        let tunnels = Tunnels::new(settings.tunnel_bytes, settings.tunnel_bytes_per_cluster);
        // Connections to managed clusters and their agents outlive requests: a drain waits for
        // requests, not for them.
        let connections = TaskTracker::new();
        let (derivation, drivers) = (derivation(settings), connections.clone());
        let clusters = Clusters::new(derivation, metrics.clone(), tunnels.clone(), drivers);
        let clusters = Arc::new(clusters);
        let authenticator = Arc::new(authenticator(settings, &hub));
        let authorizer = Authorizer::new(hub.clone(), metrics.clone());
        let grants = grants(settings, &clusters, &metrics, clock);
        let outbound = Outbound {
            clusters: Arc::clone(&clusters),
            authenticator: Arc::clone(&authenticator),
            head_deadline: settings.head_deadline,
            tripping: settings.tripping,
            tasks: requests,
            ending: ending.clone(),
        };
        let proxy = Proxy {
            outbound,
            grants,
            metrics: metrics.clone(),
            hall: Arc::new(Hall::new(settings.limits, metrics.queued.clone())),
            exposed: settings.exposed.clone(),
        };
        let attach = Attach {
            replicas: Replicas::new(settings.replicas),
            tunnels,
            clusters: Arc::clone(&clusters),
            authorizer: authorizer.clone(),
            refusals: Refusals::new(metrics.attach_refusals.clone()),
            metrics: metrics.clone(),
            tasks: connections,
            ending: ending.clone(),
            attached: Arc::default(),
        };
        Arc::new(Gateway {
            authenticator,
            authorizer,
            proxy,
            audit,
            attach,
            clusters,
            discovery: Discovery::new(),
            openapi: OpenApi::new(),
            admin,
            authorizes_inner: settings.inner_authorization,
            settings: told_to_the_operator(settings),
            drain: ending.drain,
            health_notes: HealthNotes::new(hub, &settings.secret_namespace),
            connections: metrics.connections,
        })
    }
}

/// `None` if every caller acts as the gateway's account.
fn grants(
    settings: &Settings,
    clusters: &Arc<Clusters>,
    metrics: &Metrics,
    clock: HubClock,
) -> Option<Arc<Grants>> {
    let identities = settings.identities.clone()?;
    let grants = Grants::new(identities, Arc::clone(clusters), metrics.clone(), clock);
    Some(Arc::new(grants))
}

fn authenticator(settings: &Settings, hub: &Client) -> Authenticator {
    match &settings.direct_access {
        Some(audiences) => {
            let tokens = Tokens::new(hub.clone(), audiences.clone());
            Authenticator::with_direct_access(tokens)
        }
        None => Authenticator::default(),
    }
}

fn told_to_the_operator(settings: &Settings) -> String {
    identities::settings(settings.identities.as_ref(), settings.inner_authorization)
}

fn audit(settings: &Settings, metrics: &Metrics) -> anyhow::Result<Audit> {
    Ok(match &settings.audit {
        Some(audit) => Audit::open(audit, metrics, now)?,
        None => Audit::default(),
    })
}

fn derivation(settings: &Settings) -> Option<Derivation> {
    Some(Derivation {
        account: settings.managed_service_account.clone()?,
        egress: settings.egress,
        allowed: settings.egress_addresses.as_slice().into(),
    })
}

async fn hub(kubeconfig: Option<PathBuf>, clock: &HubClock) -> anyhow::Result<Client> {
    let source = Source::from(kubeconfig);
    let access = source.access().await.context(
        "the hub's API server is not known: set --kubeconfig, or run in a Pod of the hub with a service account",
    )?;
    let builder = access.builder().map_err(|fault| source.unusable(fault))?;
    Ok(builder.with_layer(&clock.listening()).build())
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    listen(address).with_context(|| format!("cannot listen on {address}"))
}
