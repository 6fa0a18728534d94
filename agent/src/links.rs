//! Keeps a number of tunnel connections, at least one to each replica of the gateway. A connection
//! that ends or drains is replaced after a backoff with jitter, so that many agents do not
//! reconnect to a hub at the same time.

mod spread;

use std::{future::pending, sync::Arc, time::Duration};

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
use tracing::{Instrument as _, debug, info, info_span, warn};
use tunnel::{Budget, Hello, Phase, serve};

use self::spread::Spread;
use crate::{
    hub::{Hub, LOOK_EVERY},
    targets::Targets,
};

const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// After a connection that lasted this long, the next pause is short again.
const GOOD: Duration = Duration::from_secs(10);
/// A drained connection that lasted this long is replaced without a pause.
const LASTED: Duration = Duration::from_secs(1);
/// How many times in a row a link that leads to an already connected replica is replaced at once.
const QUICK_TRIES: u32 = 8;
/// How long such a link is kept if that has not helped. Perhaps no other replica is ready.
const SPARE_LASTS: Duration = Duration::from_secs(20);

/// The limit in bytes of all open pipes together: about 400 pipes with full windows.
const PIPE_BYTES: usize = 256 << 20;

/// The same, with room for the rest of the process in the memory that the container may use.
pub(crate) fn pipe_bytes(limit: Option<usize>) -> usize {
    limit.map_or(PIPE_BYTES, |limit| PIPE_BYTES.min(limit / 3 * 2))
}

/// What every link shares.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    pub(crate) hub: Hub,
    /// Tracks the tasks that move bytes through a proxy.
    pub(crate) tasks: TaskTracker,
    pub(crate) targets: Arc<Targets>,
    pub(crate) budget: Budget,
    /// After this there are no new connections, but open ones may finish.
    pub(crate) drain: CancellationToken,
    pub(crate) metrics: Metrics,
    /// True while at least one connection is attached.
    pub(crate) attached: Condition,
}

/// The metrics of the links.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    /// How many connections are attached now.
    pub(crate) connections: Gauge,
    /// How many attempts failed or connections broke.
    pub(crate) failures: Counter,
}

impl Links {
    /// Keeps `count` connections until the drain, or more if there are more replicas. Returns when
    /// the last connection has ended.
    pub(crate) async fn keep(self, count: u8) {
        let spread = Spread::new(count.into());
        let mut wanted = spread.wanted();
        let mut links = JoinSet::new();
        let mut kept = 0;
        loop {
            let more = kept..*wanted.borrow_and_update();
            kept = kept.max(more.end);
            for number in more {
                let link = self.clone().keep_one(number, spread.clone());
                links.spawn(link.instrument(info_span!("link", number)));
            }
            select! {
                ended = links.join_next() => if ended.is_none() {
                    return;
                },
                Ok(()) = wanted.changed(), if !self.drain.is_cancelled() => {}
            }
        }
    }

    async fn keep_one(self, number: u16, spread: Spread) {
        let mut connections = JoinSet::new();
        let mut pauses = backoff();
        let mut spares = 0;
        while !self.drain.is_cancelled() {
            // Connections that have ended are removed.
            while connections.try_join_next().is_some() {}
            let begin = Instant::now();
            let link = select! {
                link = self.connect_and_hold(number, &spread, spares, &mut connections) => link,
                () = self.drain.cancelled() => break,
            };
            if begin.elapsed() >= GOOD || link == Link::Spare {
                pauses = backoff();
            }
            spares = match link {
                Link::Failed => spares,
                Link::Spare => spares + 1,
                Link::Held | Link::Drained => 0,
            };
            if link == Link::Drained && begin.elapsed() >= LASTED {
                // Gateways drain their agents one by one, so there is no crowd to avoid. A gateway
                // that drains every connection at once gets the usual pauses.
                continue;
            }
            select! {
                () = sleep(pauses.next().unwrap_or(LONGEST_PAUSE)) => {}
                () = self.drain.cancelled() => break,
            }
        }
        while connections.join_next().await.is_some() {}
    }

    /// Makes one connection, and waits until it ends or drains. Pipes that are still open then
    /// finish in `connections`. `spares` is the number of links before it that were spare.
    async fn connect_and_hold(
        &self,
        number: u16,
        spread: &Spread,
        spares: u32,
        connections: &mut JoinSet<()>,
    ) -> Link {
        let renewed = self.hub.renewed();
        let io = match self.hub.attach(&self.tasks).await {
            Ok(io) => io,
            Err(error) => {
                self.metrics.failures.inc();
                warn!(%error, "cannot attach to the gateway");
                return Link::Failed;
            }
        };
        let (sender, mut phase) = watch::channel(Phase::Greeting);
        let (drain, part) = (self.drain.clone(), CancellationToken::new());
        let parted = part.clone();
        let drained = async move {
            // Links are renewed one after the other, so that there is always one.
            let renewed = async {
                renewed.await;
                sleep(LOOK_EVERY * number.into()).await;
            };
            select! {
                () = drain.cancelled() => {}
                () = parted.cancelled() => {}
                () = renewed => info!("the certificate was replaced; attaching again with the new one"),
            }
        };
        connections.spawn(self.clone().serve(io, sender, drained).in_current_span());
        let attached = |phase: &Phase| *phase != Phase::Greeting;
        let replica = match phase.wait_for(attached).await.as_deref() {
            Ok(Phase::Attached { replica, .. }) => replica.clone(),
            _ => return Link::Failed,
        };
        let seat = spread.sit(number, replica.as_ref());
        // The connection drains when this guard is dropped.
        let part = seat.is_spare.then(|| part.drop_guard());
        if part.is_some() && spares % (QUICK_TRIES + 1) < QUICK_TRIES {
            debug!("another connection leads to the same replica of the gateway");
            return Link::Spare;
        }
        info!(
            replica = replica.map(|it| it.id.to_string()),
            "attached to the gateway"
        );
        let _counted = Attached::count(self);
        let lasts = async {
            match &part {
                Some(_) => sleep(SPARE_LASTS).await,
                None => pending().await,
            }
        };
        select! {
            // An error means that the connection has ended.
            ended = phase.wait_for(|phase| matches!(phase, Phase::Draining | Phase::Ended)) => {
                match ended.as_deref() {
                    Ok(Phase::Draining) => Link::Drained,
                    _ => Link::Held,
                }
            }
            () = lasts => Link::Spare,
        }
    }
}

/// The result of one connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Link {
    /// It did not attach.
    Failed,
    /// It led to a replica that another link leads to, while some replica has none.
    Spare,
    /// It was useful until it ended.
    Held,
    /// It was useful until the gateway or this agent drained it.
    Drained,
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
            warn!(%error, "a tunnel connection broke");
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

/// Counts a connection while it is attached.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_leave_room_in_the_memory_of_the_container() {
        assert_eq!(pipe_bytes(Some(96 << 20)), 64 << 20);
        for limit in [None, Some(1 << 40)] {
            assert_eq!(pipe_bytes(limit), PIPE_BYTES);
        }
    }
}
