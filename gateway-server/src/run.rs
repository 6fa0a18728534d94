//! From settings to a running process, and back: bind everything, follow the hub, serve, drain.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use kube::Client;
use kubernetes::source::Source;
use prometheus_client::registry::Registry;
use runtime::{
    admin::Admin,
    certificate::ServingCertificate,
    process::{self, Threads},
    process_metrics,
    readiness::Readiness,
    shutdown,
    tcp::listen,
};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

use crate::{
    api::{discovery::Discovery, openapi::OpenApi},
    args::Settings,
    attach::{AgentAuthority, Attach, Refusals, TunnelDoor},
    authentication::Authenticator,
    authorization::Authorizer,
    clusters::{Clusters, Derivation},
    door::Door,
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
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let clock = HubClock::default();
    let hub = hub(settings.kubeconfig.clone(), &clock).await?;
    let certificate =
        ServingCertificate::load(settings.certificate.clone(), settings.private_key.clone())?;
    let listener = bind(settings.address)?;
    let admin_listener = bind(settings.admin_address)?;

    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let up = Up::register(&mut registry);
    process_metrics::register(&mut registry, "gateway", env!("CARGO_PKG_VERSION"));
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
    let gateway = process.gateway(&settings);
    up.tell(&gateway.clusters);

    let mut background = follow_hub(&gateway, &hub, &settings, &readiness);
    background.spawn(Arc::clone(&certificate).follow());
    background.spawn(admin.serve(admin_listener, ending.cut.clone()));
    let told = CancellationToken::new();
    background.spawn(shutdown::on_signal(told.clone()));

    if let Some(entrance) = settings.tunnel_entrance {
        let listener = bind(entrance.address)?;
        let authority = AgentAuthority::load(entrance.authority)?;
        background.spawn(Arc::clone(&authority).follow());
        let attach = gateway.attach.clone();
        let door = TunnelDoor::new(Arc::clone(&certificate) as _, authority, attach);
        background.spawn(door.serve(listener));
        info!(address = %entrance.address, "agents may attach here by mutual TLS");
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
    let door = Door::new(certificate, gateway, requests.clone(), ending.clone());
    door.serve(listener).await;

    let deadline = settings.drain_deadline;
    ending.finish(&requests, &passing, deadline).await;
    background.shutdown().await;
    info!("stopped");
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
    fn gateway(self, settings: &Settings) -> Arc<Gateway> {
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
        let clusters = Arc::new(Clusters::new(
            derivation(settings),
            metrics.clone(),
            tunnels.clone(),
            connections.clone(),
        ));
        let authorizer = Authorizer::new(hub.clone(), metrics.clone());
        let identities = settings.identities.clone();
        let grants =
            identities.map(|it| Grants::new(it, Arc::clone(&clusters), metrics.clone(), clock));
        let authenticator = Arc::<Authenticator>::default();
        let outbound = Outbound {
            clusters: Arc::clone(&clusters),
            authenticator: Arc::clone(&authenticator),
            head_deadline: settings.head_deadline,
            tasks: requests,
            ending: ending.clone(),
        };
        let proxy = Proxy {
            outbound,
            grants: grants.map(Arc::new),
            metrics: metrics.clone(),
            limits: settings.limits,
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
            attach,
            clusters,
            discovery: Discovery::new(),
            openapi: OpenApi::new(),
            admin,
            settings: identities::settings(settings.identities.as_ref()),
            drain: ending.drain,
            health_notes: HealthNotes::new(hub, &settings.secret_namespace),
            connections: metrics.connections,
        })
    }
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
