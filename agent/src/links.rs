//! Keeps a number of tunnel connections up: each is replaced when it ends or drains, with a backoff
//! that is jittered, so that a hub full of agents does not come back in step.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use runtime::readiness::Condition;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, info, info_span, warn};
use tunnel::{Budget, Hello, Phase, serve};

use crate::{
    hub::{Hub, LOOK_EVERY},
    targets::Targets,
};

const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A connection that held for so long was good: the next pause starts small again.
const GOOD: Duration = Duration::from_secs(10);

/// Bytes that all pipes together may be charged: some 400 pipes, each with its windows full.
pub(crate) const PIPE_BYTES: usize = 256 << 20;

/// What every link shares.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    pub(crate) hub: Hub,
    /// Holds what moves bytes through a proxy.
    pub(crate) tasks: TaskTracker,
    pub(crate) targets: Arc<Targets>,
    pub(crate) budget: Budget,
    /// No new connections; those that are open may finish.
    pub(crate) drain: CancellationToken,
    pub(crate) metrics: Metrics,
    /// Met while at least one connection is attached.
    pub(crate) attached: Condition,
}

/// What the links count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    /// Connections attached now.
    pub(crate) connections: Gauge,
    /// Attempts that failed, and connections that broke.
    pub(crate) failures: Counter,
}

impl Links {
    /// Keeps `count` connections until the drain, and returns when the last one is over.
    pub(crate) async fn keep(self, count: u8) {
        let mut links = JoinSet::new();
        for number in 0..count {
            links.spawn(
                self.clone()
                    .keep_one(number)
                    .instrument(info_span!("link", number)),
            );
        }
        while links.join_next().await.is_some() {}
    }

    async fn keep_one(self, number: u8) {
        let mut connections = JoinSet::new();
        let mut pauses = backoff();
        while !self.drain.is_cancelled() {
            let begin = Instant::now();
            select! {
                () = self.connect_and_hold(number, &mut connections) => {}
                () = self.drain.cancelled() => break,
            }
            if begin.elapsed() >= GOOD {
                pauses = backoff();
            }
            select! {
                () = sleep(pauses.next().unwrap_or(LONGEST_PAUSE)) => {}
                () = self.drain.cancelled() => break,
            }
        }
        while connections.join_next().await.is_some() {}
    }

    /// Makes one connection and waits until it ends, or drains and so wants a successor. What is
    /// still open on it goes on in `connections`.
    async fn connect_and_hold(&self, number: u8, connections: &mut JoinSet<()>) {
        let renewed = self.hub.renewed();
        let io = match self.hub.attach(&self.tasks).await {
            Ok(io) => io,
            Err(error) => {
                self.metrics.failures.inc();
                warn!(%error, "cannot attach to the gateway");
                return;
            }
        };
        let (sender, mut phase) = watch::channel(Phase::Greeting);
        let drain = self.drain.clone();
        let drained = async move {
            // One after the other, so that there is always one.
            let renewed = async {
                renewed.await;
                sleep(LOOK_EVERY * number.into()).await;
            };
            select! {
                () = drain.cancelled() => {}
                () = renewed => info!("attaching anew, for there is another certificate"),
            }
        };
        connections.spawn(self.clone().serve(io, sender, drained).in_current_span());
        let attached = |phase: &Phase| *phase != Phase::Greeting;
        if phase.wait_for(attached).await.is_err() {
            return;
        }
        info!("attached to the gateway");
        let _counted = Attached::count(self);
        // An error is its end.
        let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
    }
}

impl Links {
    async fn serve(
        self,
        io: impl AsyncRead + AsyncWrite + Unpin,
        phase: watch::Sender<Phase>,
        drained: impl Future<Output = ()>,
    ) {
        let Self {
            targets,
            budget,
            metrics,
            ..
        } = self;
        let hello = Hello::default();
        if let Err(error) = serve(io, &hello, targets, &budget, phase, drained).await {
            metrics.failures.inc();
            warn!(%error, "tunnel connection ended");
        }
    }
}

fn backoff() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(SHORTEST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

/// Counts an attached connection while it is.
struct Attached<'a>(&'a Links);

impl<'a> Attached<'a> {
    fn count(links: &'a Links) -> Self {
        links.metrics.connections.inc();
        links.attached.set(true);
        Self(links)
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        let others = self.0.metrics.connections.dec() > 1;
        self.0.attached.set(others);
    }
}
