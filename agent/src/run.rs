//! Runs the agent from its settings: it attaches, serves, and drains.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use kubernetes::source::Source;
use prometheus_client::registry::Registry;
use runtime::{
    admin::Admin,
    memory,
    process::{self, Threads},
    process_metrics,
    readiness::Readiness,
    shutdown,
    tcp::listen,
};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    args::{Command, Settings},
    duties::Duties,
    links::{Links, Metrics, pipe_bytes},
    targets::Targets,
    tokens,
};

/// The deadline of a whole revocation.
const REVOKE_WITHIN: Duration = Duration::from_mins(1);

/// Runs the agent until it is told to stop.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    // The agent only moves bytes. One thread does that for hundreds of pipes and needs a few MiB.
    let runtime = process::start(&settings.log_filter, settings.log_format, Threads::One)?;
    say_settings(&settings);
    runtime.block_on(async {
        match settings.command {
            Command::Serve => serve(settings).await,
            Command::Revoke => revoke(settings).await,
        }
    })
}

/// What the agent does, and for whom.
fn say_settings(settings: &Settings) {
    let kubeconfig = settings.hub_kubeconfig.as_ref();
    let exposed: Vec<_> = settings.exposed.iter().map(ToString::to_string).collect();
    info!(
        version = env!("CARGO_PKG_VERSION"),
        hub_kubeconfig = kubeconfig.map(|path| path.display().to_string()),
        connections = settings.connections,
        tokens = settings.tokens_enabled,
        apiserver = %settings.apiserver,
        exposed = exposed.join(","),
        "the agent starts"
    );
}

async fn revoke(settings: Settings) -> anyhow::Result<()> {
    let Settings {
        hub_kubeconfig,
        spoke,
        tokens,
        ..
    } = settings;
    let kubeconfig = hub_kubeconfig.context("--hub-kubeconfig is not set")?;
    let hub = Source::Kubeconfig(kubeconfig).client().await?;
    let spoke = spoke.client().await?;
    tokens::revoke_all(hub, spoke, &tokens, REVOKE_WITHIN).await
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let listener = listen(settings.admin_address)
        .with_context(|| format!("cannot listen on {}", settings.admin_address))?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    process_metrics::register(&mut registry, "agent", env!("CARGO_PKG_VERSION"));
    let duties = Duties::new(&settings, &mut registry).await?;
    let readiness = Readiness::default();
    let (drain, stopped) = (CancellationToken::new(), CancellationToken::new());
    let links = (settings.connections > 0).then(|| Links {
        hub: settings.hub,
        targets: Arc::new(Targets::new(
            settings.apiserver,
            settings.exposed,
            settings.network,
        )),
        budget: tunnel::Budget::new(pipe_bytes(memory::limit())),
        drain: drain.clone(),
        metrics,
        attached: readiness.condition("attached"),
        news: Arc::default(),
    });
    let admin = Admin {
        readiness,
        metrics: Arc::new(registry),
    };
    let mut background = JoinSet::new();
    background.spawn(admin.serve(listener, stopped.clone()));
    background.spawn(shutdown::on_signal(drain.clone()));
    let mut finishing = JoinSet::new();
    if let Some(links) = links {
        finishing.spawn(links.keep(settings.connections));
    }
    if let Some(duties) = duties {
        finishing.spawn(duties.keep(drain.clone()));
    }

    drain.cancelled().await;
    let finished = async { while finishing.join_next().await.is_some() {} };
    if timeout(settings.drain_deadline, finished).await.is_err() {
        info!("the drain timeout has passed; closing the streams that are still open");
    }
    stopped.cancel();
    background.shutdown().await;
    info!("stopped");
    Ok(())
}

impl Metrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("agent");
        let help = "Tunnel connections that are currently attached to the gateway";
        registry.register("tunnel_connections", help, metrics.connections.clone());
        let help = "Failed attempts to attach, and tunnel connections that broke";
        registry.register("tunnel_failures", help, metrics.failures.clone());
        metrics
    }
}
