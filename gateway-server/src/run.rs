//! From settings to a running process, and back: bind everything, follow the hub, serve, drain.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use prometheus_client::registry::Registry;
use runtime::{admin::Admin, certificate::ServingCertificate, log, readiness::Readiness, shutdown};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use crate::{
    api::{discovery::Discovery, openapi::OpenApi},
    args::Settings,
    authentication,
    authorization::Authorizer,
    clusters::{self, Clusters},
    door::Door,
    gateway::Gateway,
    metrics::Metrics,
    proxy::Proxy,
};

/// Runs the gateway until it is told to stop.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    log::init(&settings.log_filter, settings.log_format)?;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(settings))
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let hub = hub(settings.kubeconfig.as_deref()).await?;
    let certificate =
        ServingCertificate::load(settings.certificate.clone(), settings.private_key.clone())?;
    let listener = bind(settings.address).await?;
    let admin_listener = bind(settings.admin_address).await?;

    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let readiness = Readiness::default();
    let admin = Admin {
        readiness: readiness.clone(),
        metrics: Arc::new(registry),
    };
    let (drain, cut) = (CancellationToken::new(), CancellationToken::new());
    let requests = TaskTracker::new();
    let gateway = gateway(&settings, &hub, &metrics, &admin, &requests, &cut);

    let mut background = follow_hub(&gateway, &hub, settings.secret_namespace, &readiness);
    background.spawn(Arc::clone(&certificate).follow());
    background.spawn(serve_admin(admin, admin_listener, cut.clone()));
    background.spawn(stop_on_signal(drain.clone()));

    info!(address = %settings.address, admin = %settings.admin_address, "serving");
    let serving = readiness.condition("serving");
    serving.set(true);
    let door = Door::new(certificate, gateway, requests.clone(), drain, cut.clone());
    door.serve(listener).await;

    serving.set(false);
    requests.close();
    if timeout(settings.drain_deadline, requests.wait())
        .await
        .is_err()
    {
        info!(
            connections = requests.len(),
            "drain deadline passed; ending what is in flight"
        );
    }
    cut.cancel();
    background.shutdown().await;
    info!("stopped");
    Ok(())
}

/// Everything that the request path knows of the hub, kept up to date.
fn follow_hub(
    gateway: &Gateway,
    hub: &Client,
    namespace: String,
    readiness: &Readiness,
) -> JoinSet<()> {
    let mut follows = JoinSet::new();
    follows.spawn({
        let (authenticator, hub) = (Arc::clone(&gateway.authenticator), hub.clone());
        let known = readiness.condition("front-proxy-configuration");
        async move { authentication::follow(&authenticator, hub, known).await }
    });
    follows.spawn({
        let (clusters, hub) = (Arc::clone(&gateway.clusters), hub.clone());
        let listed = readiness.condition("managed-clusters");
        async move { clusters::follow(&clusters, hub, &namespace, listed).await }
    });
    follows
}

async fn serve_admin(admin: Admin, listener: TcpListener, stop: CancellationToken) {
    if let Err(error) = admin.serve(listener, stop.cancelled_owned()).await {
        warn!(%error, "admin listener ended");
    }
}

async fn stop_on_signal(drain: CancellationToken) {
    if let Err(error) = shutdown::on_signal(drain).await {
        warn!(%error, "cannot listen for signals");
    }
}

fn gateway(
    settings: &Settings,
    hub: &Client,
    metrics: &Metrics,
    admin: &Admin,
    requests: &TaskTracker,
    cut: &CancellationToken,
) -> Arc<Gateway> {
    // Connections to managed clusters outlive requests: a drain does not wait for them.
    let clusters = Arc::new(Clusters::new(metrics.clone(), TaskTracker::new()));
    let proxy = Proxy {
        clusters: Arc::clone(&clusters),
        head_deadline: settings.head_deadline,
        tasks: requests.clone(),
        cut: cut.clone(),
    };
    Arc::new(Gateway {
        authenticator: Arc::default(),
        authorizer: Authorizer::new(hub.clone(), metrics.clone()),
        proxy,
        clusters,
        discovery: Discovery::new(),
        openapi: OpenApi::new(),
        admin: admin.clone(),
        connections: metrics.connections.clone(),
    })
}

async fn hub(kubeconfig: Option<&Path>) -> anyhow::Result<Client> {
    let config = match kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path)
                .with_context(|| format!("kubeconfig of the hub {}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?
        }
        None => Config::incluster().context(
            "no --kubeconfig, and no service account of a Pod: where is the hub's API server?",
        )?,
    };
    Ok(Client::try_from(config)?)
}

async fn bind(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}
