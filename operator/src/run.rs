//! Runs the operator from its settings: it finds out about the hub, watches it, leads, writes, and
//! releases the lease.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use crds::addon;
use kube::Client;
use kubernetes::{clock::now, source::Source};
use prometheus_client::registry::Registry;
use runtime::{
    admin::Admin,
    causes::chain,
    process::{self, Threads},
    process_metrics,
    readiness::{Condition, Readiness},
    shutdown,
    tcp::listen,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    apply::{
        Hands,
        events::{self, Notes},
    },
    args::{Command, Settings},
    engine::{Engine, Wires},
    leader::Candidate,
    metrics::Metrics,
    observe::{discovery, probe},
    observed::Installation,
    uninstall,
};

const DISCOVER_EVERY: Duration = Duration::from_secs(2);

/// Runs the operator until it is told to stop, or runs an uninstall to its end.
pub fn run(settings: Settings) -> anyhow::Result<()> {
    let runtime = process::start(&settings.log_filter, settings.log_format, Threads::All)?;
    say_settings(&settings);
    runtime.block_on(async {
        let client = hub(settings.kubeconfig.clone()).await?;
        match settings.command {
            Command::Serve => serve(client, settings).await,
            Command::Uninstall => uninstall::run(client, settings.uninstall_deadline).await,
        }
    })
}

/// What the process was told to do.
fn say_settings(settings: &Settings) {
    let Settings {
        command,
        namespace,
        agent_image,
        gateway_image,
        allowed_images,
        removal_deadline,
        ..
    } = settings;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        command = ?command,
        namespace,
        agent_image,
        gateway_image,
        allowed_gateway_images = allowed_images.join(","),
        removal_timeout = removal_deadline.as_secs(),
        "the operator starts"
    );
}

async fn serve(client: Client, settings: Settings) -> anyhow::Result<()> {
    let listener = listen(settings.admin_address)
        .with_context(|| format!("cannot listen on {}", settings.admin_address))?;
    let readiness = Readiness::default();
    let observing = readiness.condition("observing");
    let (stop, stopped) = (CancellationToken::new(), CancellationToken::new());
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    process_metrics::register(&mut registry, "operator", env!("CARGO_PKG_VERSION"));
    let admin = Admin {
        readiness,
        metrics: Arc::new(registry),
    };
    let mut background = JoinSet::new();
    background.spawn(admin.serve(listener, stopped.clone()));
    background.spawn(shutdown::on_signal(stop.clone()));

    let Some(addons) = stop.run_until_cancelled(addon_version(&client)).await else {
        return Ok(());
    };
    info!(
        addons = addons.as_str(),
        identity = settings.identity,
        "watching the hub"
    );
    let (leading, leads) = watch::channel(false);
    let (namespace, identity) = (&settings.namespace, &settings.identity);
    let candidate = Candidate::new(client.clone(), namespace, identity, now);
    // The lease is released once nothing is written any more.
    let written = CancellationToken::new();
    let mut leadership = JoinSet::new();
    leadership.spawn(candidate.run(leading, written.clone()));
    let wires = wires(
        &client,
        &settings,
        addons,
        leads,
        observing,
        &mut background,
    );
    let installation = installation(addons, settings);
    let hands = Hands {
        client: client.clone(),
        addons,
        clock: now,
        metrics,
    };
    let engine = Engine::new(installation, hands, wires, now);
    engine.run(stop).await;
    written.cancel();
    while leadership.join_next().await.is_some() {}
    stopped.cancel();
    background.shutdown().await;
    info!("stopped");
    Ok(())
}

fn installation(addons: addon::Version, settings: Settings) -> Installation {
    Installation {
        addons,
        namespace: settings.namespace,
        agent_image: settings.agent_image,
        gateway_image: settings.gateway_image,
        allowed_images: settings.allowed_images,
        patience: settings.removal_deadline,
    }
}

/// Starts the tasks that the engine communicates with.
fn wires(
    client: &Client,
    settings: &Settings,
    addons: addon::Version,
    leads: watch::Receiver<bool>,
    observing: Condition,
    background: &mut JoinSet<()>,
) -> Wires {
    let (notes, queued) = Notes::new(&settings.identity, addons);
    let (answering, answers) = mpsc::channel(probe::WAITING);
    let (target, targets) = watch::channel(None);
    background.spawn(events::write(queued, client.clone()));
    background.spawn(probe::server(client.clone(), targets, answering.clone()));
    background.spawn(probe::clusters(client.clone(), answering));
    Wires {
        notes,
        leads,
        answers,
        target,
        observing,
    }
}

/// Retries until the hub serves the add-on API.
async fn addon_version(client: &Client) -> addon::Version {
    let mut last_fault = None;
    loop {
        let fault = match discovery::addon_version(client).await {
            Ok(version) => return version,
            Err(fault) => chain(&fault),
        };
        if last_fault.as_ref() != Some(&fault) {
            warn!(fault, "waiting for the hub");
            last_fault = Some(fault);
        }
        sleep(DISCOVER_EVERY).await;
    }
}

async fn hub(kubeconfig: Option<PathBuf>) -> anyhow::Result<Client> {
    // Each key has its own backoff, which retries inside the client would hide.
    let client = Source::from(kubeconfig).client().await;
    client.context("the hub's API server is not known")
}
