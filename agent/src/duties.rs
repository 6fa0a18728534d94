//! What the agent does besides its tunnel: it manages tokens, and renews the leases that show which
//! add-ons work. Both use clients of two API servers, which are replaced when their files change.

use anyhow::Context as _;
use crds::ClusterName;
use kube::Client;
use kubernetes::{follow::Follower, source::Source};
use prometheus_client::registry::Registry;
use tokio::{
    sync::{OnceCell, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    args::Settings,
    leases::{LeaseMetrics, LeaseSettings, Leases, TunnelProbe},
    spoke,
    tokens::{self, TokenSettings},
};

/// The configured duties.
pub(crate) struct Duties {
    spoke: Source,
    following: Follower<Client>,
    hub: watch::Receiver<Client>,
    tokens: Option<(TokenSettings, tokens::Metrics)>,
    leases: LeaseSettings,
    lease_metrics: LeaseMetrics,
    tunnel: Option<TunnelProbe>,
}

impl Duties {
    /// `None` if no duty is configured.
    pub(crate) async fn new(
        settings: &Settings,
        registry: &mut Registry,
    ) -> anyhow::Result<Option<Self>> {
        let wanted = settings.tokens_enabled || !settings.leases.addons.is_empty();
        let Some(kubeconfig) = settings.hub_kubeconfig.clone().filter(|_| wanted) else {
            return Ok(None);
        };
        let (following, hub) = Follower::load(Source::Kubeconfig(kubeconfig)).await?;
        let cluster = settings
            .tokens
            .cluster
            .parse::<ClusterName>()
            .context("--cluster")?;
        let probe = TunnelProbe {
            hub: hub.clone(),
            cluster,
        };
        let tokens = settings.tokens_enabled.then(|| settings.tokens.clone());
        Ok(Some(Self {
            spoke: settings.spoke.clone(),
            following,
            hub,
            tokens: tokens.map(|tokens| (tokens, tokens::register(registry))),
            leases: settings.leases.clone(),
            lease_metrics: LeaseMetrics::register(registry),
            tunnel: (settings.connections > 0).then_some(probe),
        }))
    }

    /// Performs the duties until `stop`.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        let Self {
            spoke: source,
            following,
            hub,
            tokens,
            leases: settings,
            lease_metrics: metrics,
            tunnel,
        } = self;
        let Some((following_spoke, spoke)) = stop.run_until_cancelled(spoke::first(&source)).await
        else {
            return;
        };
        let mut background = JoinSet::new();
        background.spawn(following_spoke.follow());
        background.spawn(following.follow());
        let mut works = None;
        let mut keeping = JoinSet::new();
        let asked = hub.clone();
        if let Some((tokens, metrics)) = tokens {
            let (working, receiver) = watch::channel(false);
            works = Some(receiver);
            let (hub, spoke, stop) = (hub, spoke.clone(), stop.clone());
            keeping.spawn(tokens::keep(tokens, hub, spoke, metrics, working, stop));
        }
        let leases = Leases {
            spoke,
            settings,
            tunnel,
            hub: asked,
            tokens: works,
            metrics,
            owner: OnceCell::new(),
        };
        background.spawn(leases.keep());
        stop.cancelled().await;
        while keeping.join_next().await.is_some() {}
        background.shutdown().await;
    }
}
