//! One connection to the gateway, again and again.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    select,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, info, warn};
use tunnel::{Hello, Phase, serve};

use super::{
    Links,
    spread::{Seat, Spread},
};
use crate::hub::LOOK_EVERY;

const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// After a connection that lasted this long, the next pause is short again.
const GOOD: Duration = Duration::from_secs(10);
/// A drained connection that lasted this long is replaced without a pause.
const LASTED: Duration = Duration::from_secs(1);
/// The longest pause of a link that a replica turned away because it shuts down, for so many times in a
/// row. That is for some seconds, by which time requests go to other replicas.
const HURRIED: Duration = Duration::from_secs(1);
const HURRIES: u32 = 8;
/// How many times in a row a link that leads to an already connected replica is replaced at once.
const QUICK_TRIES: u32 = 8;
/// How long such a link is kept if that has not helped. Perhaps no other replica is ready. The time
/// doubles twice, because a balancer may only have chosen the same one again by chance.
const SPARE_LASTS: Duration = Duration::from_secs(5);
const DOUBLINGS: u32 = 2;
/// How long after it became spare an attached link is replaced.
const PART_AFTER: Duration = Duration::from_millis(100);

/// One link, which is replaced whenever its connection is over.
#[derive(Debug)]
pub(super) struct Link {
    number: u16,
    shared: Links,
    spread: Spread,
}

/// The result of one connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// It did not attach.
    Failed,
    /// It did not attach, because the replica that answered shuts down. Another one may answer the next
    /// attempt.
    TurnedAway,
    /// It led to a replica that another link leads to, while some replica has none.
    Spare,
    /// It was useful until it ended.
    Held,
    /// It was useful until the gateway or this agent drained it.
    Drained,
}

impl Link {
    /// A link that ends once `shared` drains.
    pub(super) fn new(number: u16, shared: Links, spread: Spread) -> Self {
        Self {
            number,
            shared,
            spread,
        }
    }

    /// Keeps a connection up until the drain, and returns when the last pipe has ended.
    pub(super) async fn keep(self) {
        let drain = &self.shared.drain;
        let mut connections = Connections::default();
        let mut pauses = backoff();
        let (mut spares, mut turned_away) = (0, 0);
        while !drain.is_cancelled() {
            let begin = Instant::now();
            let outcome = select! {
                outcome = self.connect_and_hold(spares, &mut connections) => outcome,
                () = drain.cancelled() => break,
            };
            if begin.elapsed() >= GOOD || outcome == Outcome::Spare {
                pauses = backoff();
            }
            spares = match outcome {
                Outcome::Failed | Outcome::TurnedAway => spares,
                Outcome::Spare => spares + 1,
                Outcome::Held | Outcome::Drained => 0,
            };
            if outcome == Outcome::Drained && begin.elapsed() >= LASTED {
                // Gateways drain their agents one by one, so there is no crowd to avoid. A gateway
                // that drains every connection at once gets the usual pauses.
                continue;
            }
            turned_away = match outcome {
                Outcome::TurnedAway => turned_away + 1,
                _ => 0,
            };
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            // Requests for the cluster wait for its agent meanwhile.
            let pause = if (1..=HURRIES).contains(&turned_away) {
                pause.min(HURRIED)
            } else {
                pause
            };
            select! {
                () = sleep(pause) => {}
                () = drain.cancelled() => break,
            }
        }
        connections.end().await;
    }

    /// Makes one connection, and waits until it ends or drains, or should lead to another replica.
    /// Pipes that are still open then finish in `connections`. `spares` is the number of
    /// connections before it that were spare.
    async fn connect_and_hold(&self, spares: u32, connections: &mut Connections) -> Outcome {
        let renewed = self.shared.hub.renewed();
        let io = match self.shared.hub.attach().await {
            Ok(io) => io,
            Err(error) => {
                self.shared.metrics.failures.inc();
                if let Some(error) = self.shared.news.lock().of(Some(error.to_string())) {
                    warn!(error, "cannot attach to the gateway; trying again");
                }
                return if error.is_passing() {
                    Outcome::TurnedAway
                } else {
                    Outcome::Failed
                };
            }
        };
        let (sender, mut phase) = watch::channel(Phase::Greeting);
        let part = CancellationToken::new();
        let drained = drained(
            self.number,
            self.shared.drain.clone(),
            part.clone(),
            renewed,
        );
        // The connection drains when this guard is dropped.
        let part = part.drop_guard();
        let served = serve_on(self.shared.clone(), io, sender, drained);
        connections.begin(served.in_current_span());
        let attached = |phase: &Phase| *phase != Phase::Greeting;
        let replica = match phase.wait_for(attached).await.as_deref() {
            Ok(Phase::Attached { replica, .. }) => replica.clone(),
            _ => return Outcome::Failed,
        };
        let seat = self.spread.sit(self.number, replica.as_ref());
        let patience = patience(spares);
        if seat.is_spare() && patience.is_none() {
            debug!("another connection leads to the same replica of the gateway");
            return Outcome::Spare;
        }
        info!(
            replica = replica.map(|it| it.id.to_string()),
            "attached to the gateway"
        );
        let _counted = Attached::count(&self.shared);
        select! {
            outcome = ended(phase, &seat) => {
                // It ends by itself, and open pipes may still finish.
                part.disarm();
                outcome
            }
            () = seat.spare_for(patience.unwrap_or(PART_AFTER)) => {
                debug!("a replica of the gateway has no connection yet");
                Outcome::Spare
            }
        }
    }
}

/// The connections of one link: the one that is kept, and those before it whose last pipes are still
/// open.
#[derive(Debug, Default)]
struct Connections(JoinSet<()>);

impl Connections {
    /// Serves another one, and forgets those that have ended.
    fn begin(&mut self, served: impl Future<Output = ()> + Send + 'static) {
        while self.0.try_join_next().is_some() {}
        self.0.spawn(served);
    }

    /// Waits until all have ended.
    async fn end(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

/// Resolves when a connection should drain, because the agent drains, the link parts or its
/// certificate was renewed.
async fn drained(
    number: u16,
    drain: CancellationToken,
    part: CancellationToken,
    renewed: impl Future<Output = ()>,
) {
    // Links are renewed one after the other, so that there is always one.
    let renewed = async {
        renewed.await;
        sleep(LOOK_EVERY * number.into()).await;
    };
    select! {
        () = drain.cancelled() => {}
        () = part.cancelled() => {}
        () = renewed => info!("the certificate was replaced; attaching again with the new one"),
    }
}

/// Waits until a connection ends or drains, and tells its seat what it says until then.
async fn ended(mut phase: watch::Receiver<Phase>, seat: &Seat) -> Outcome {
    // An error means that the connection has ended.
    while phase.changed().await.is_ok() {
        match &*phase.borrow_and_update() {
            Phase::Greeting | Phase::Attached { replica: None, .. } => {}
            Phase::Attached {
                replica: Some(replica),
                ..
            } => seat.hears(replica.of),
            Phase::Draining => return Outcome::Drained,
            Phase::Ended => return Outcome::Held,
        }
    }
    Outcome::Held
}

async fn serve_on(
    shared: Links,
    io: impl AsyncRead + AsyncWrite + Unpin,
    phase: watch::Sender<Phase>,
    drained: impl Future<Output = ()>,
) {
    let Links {
        targets,
        budget,
        metrics,
        ..
    } = shared;
    let (hello, last) = (Hello::default(), phase.subscribe());
    if let Err(error) = serve(io, &hello, targets, &budget, phase, drained).await {
        if *last.borrow() == Phase::Draining {
            // The hub's API server closes it as soon as the gateway has.
            return debug!(%error, "a tunnel connection that drained has ended");
        }
        metrics.failures.inc();
        warn!(%error, "a tunnel connection broke");
    }
}

/// How long a link is kept that is spare, after so many others that were spare. `None` if it is
/// replaced at once.
fn patience(spares: u32) -> Option<Duration> {
    let (round, tries) = (spares / (QUICK_TRIES + 1), spares % (QUICK_TRIES + 1));
    (tries == QUICK_TRIES).then(|| SPARE_LASTS * 2_u32.pow(round.min(DOUBLINGS)))
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
        links.news.lock().of(None);
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
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn connections_that_have_ended_take_no_memory() {
        let mut connections = Connections::default();
        let (finish, mut last) = watch::channel(());
        connections.begin(async move {
            let _ = last.changed().await;
        });
        for _ in 0..1000 {
            connections.begin(async {});
            yield_now().await;
        }
        assert!(connections.0.len() <= 3, "{}", connections.0.len());
        finish.send_replace(());
        connections.end().await;
    }

    #[test]
    fn a_link_that_stays_spare_is_replaced_many_times_within_some_seconds_and_then_rarely() {
        let kept: Vec<_> = (0..100)
            .filter_map(patience)
            .map(|it| it.as_secs())
            .collect();
        assert_eq!(kept, [5, 10, 20, 20, 20, 20, 20, 20, 20, 20, 20]);
        // A balancer that picks one of three has picked each of them by then, nearly always.
        let soon = (0..16).filter_map(patience).sum::<Duration>();
        assert_eq!(soon.as_secs(), 5);
    }
}
