//! Tracks which replica of the gateway each connection leads to, and how many connections there
//! should be. A load balancer picks replicas at random, so a connection to an already connected
//! replica is replaced until each replica has one. No I/O.

mod seats;

use std::{
    convert::Infallible,
    future::pending,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use tokio::{select, sync::watch, time::sleep};
use tunnel::Replica;

use self::seats::Seats;

/// The agents of a hub take in a larger number of replicas over this time, so that they do not all
/// connect at once.
const RISE_WITHIN: Duration = Duration::from_secs(10);
/// A smaller number is taken in after this time, because a replica that is replaced comes back.
const FALL_AFTER: Duration = Duration::from_secs(30);

/// The replicas that links lead to. Clones share the state.
#[derive(Clone, Debug)]
pub(super) struct Spread(Arc<watch::Sender<Seats>>);

/// A link's entry for a replica. Dropping it removes the entry.
#[derive(Debug)]
pub(super) struct Seat {
    spread: Spread,
    /// `None` if the gateway does not name its replica, because it has only one.
    number: Option<u64>,
}

impl Spread {
    /// Starts without entries, for `count` links.
    pub(super) fn new(count: u16) -> Self {
        Self(Arc::new(watch::Sender::new(Seats::new(count))))
    }

    /// Is marked as changed when [`Self::wanted`] may have changed.
    pub(super) fn changes(&self) -> watch::Receiver<Seats> {
        self.0.subscribe()
    }

    /// How many links there should be.
    pub(super) fn wanted(&self) -> u16 {
        self.0.borrow().wanted()
    }

    /// The one of these links that is least useful.
    pub(super) fn least_useful(
        &self,
        links: impl DoubleEndedIterator<Item = u16> + Clone,
    ) -> Option<u16> {
        self.0.borrow().least_useful(links)
    }

    /// Records that a link has attached to a replica. A larger number of replicas counts at once,
    /// because agents attach one after the other anyway.
    pub(super) fn sit(&self, link: u16, replica: Option<&Replica>) -> Seat {
        let mut number = None;
        if let Some(replica) = replica {
            let take = |seats: &mut Seats| number = Some(seats.take(link, replica.clone()));
            self.0.send_modify(take);
        }
        Seat {
            spread: self.clone(),
            number,
        }
    }

    /// Takes in what the replicas tell of their number, with the pauses that it needs.
    pub(super) async fn settle(self) -> Infallible {
        let mut seats = self.0.subscribe();
        loop {
            let differs = seats.wait_for(|seats| seats.order().is_ne()).await;
            let Ok(order) = differs.map(|seats| seats.order()) else {
                return pending().await;
            };
            let pause = if order.is_gt() {
                part(RISE_WITHIN)
            } else {
                FALL_AFTER + part(RISE_WITHIN)
            };
            select! {
                _ = seats.wait_for(|seats| seats.order() != order) => {}
                () = sleep(pause) => self.0.send_modify(Seats::settle),
            }
        }
    }
}

impl Seat {
    /// Another link leads to the same replica, while some replica has no link.
    pub(super) fn is_spare(&self) -> bool {
        let seats = self.spread.0.borrow();
        self.number.is_some_and(|number| seats.is_spare(number))
    }

    /// Takes in how many replicas there are, as the replica has told.
    pub(super) fn hears(&self, replicas: u16) {
        if let Some(number) = self.number {
            self.spread
                .0
                .send_if_modified(|seats| seats.hear(number, replicas));
        }
    }

    /// Waits until the link has been spare for this long.
    pub(super) async fn spare_for(&self, long: Duration) {
        let Some(number) = self.number else {
            return pending().await;
        };
        let mut seats = self.spread.0.subscribe();
        loop {
            // It cannot fail, because the spread holds the sender.
            let _ = seats.wait_for(|seats| seats.is_spare(number)).await;
            select! {
                _ = seats.wait_for(|seats| !seats.is_spare(number)) => {}
                () = sleep(long) => return,
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.spread.0.send_modify(|seats| seats.leave(number));
        }
    }
}

/// A random part of a time.
fn part(of: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 1024;
    of * u32::try_from(random).unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use tokio::{
        task::JoinSet,
        time::{Instant, timeout},
    };

    use super::*;

    fn replica(id: &str, of: u16) -> Replica {
        Replica {
            id: id.parse().unwrap(),
            of,
        }
    }

    /// What each agent does when it is told another number of replicas, and how long after that.
    async fn told(from: u16, to: u16) -> Vec<(u16, Duration)> {
        let mut agents = JoinSet::new();
        for _ in 0..1000 {
            agents.spawn(async move {
                let spread = Spread::new(2);
                let seats = ["a", "b"].map(|id| {
                    let link = u16::from(id == "b");
                    spread.sit(link, Some(&replica(id, from)))
                });
                let mut settling = JoinSet::new();
                settling.spawn(spread.clone().settle());
                let (before, begin) = (spread.wanted(), Instant::now());
                for seat in &seats {
                    seat.hears(to);
                }
                let mut changes = spread.changes();
                let follows = changes.wait_for(|seats| seats.wanted() != before);
                follows.await.unwrap();
                (spread.wanted(), begin.elapsed())
            });
        }
        agents.join_all().await
    }

    #[tokio::test(start_paused = true)]
    async fn many_agents_take_in_another_number_one_after_the_other() {
        for (from, to, after) in [(2, 3, Duration::ZERO), (3, 2, FALL_AFTER)] {
            let done = told(from, to).await;
            for second in 0..RISE_WITHIN.as_secs() {
                let from = after + Duration::from_secs(second);
                let now = from..from + Duration::from_secs(1);
                let crowd = done.iter().filter(|(_, at)| now.contains(at)).count();
                assert!((50..200).contains(&crowd), "{crowd} in second {second}");
            }
            assert!(done.iter().all(|(wanted, _)| *wanted == to), "{from} {to}");
            assert!(
                done.iter()
                    .all(|(_, at)| (after..=after + RISE_WITHIN).contains(at))
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_that_comes_back_soon_changes_nothing() {
        let spread = Spread::new(2);
        let [one, other] = ["a", "b"].map(|id| spread.sit(0, Some(&replica(id, 3))));
        let mut settling = JoinSet::new();
        settling.spawn(spread.clone().settle());
        let mut changes = spread.changes();
        for _ in 0..20 {
            for number in [2, 3] {
                one.hears(number);
                other.hears(number);
                let fewer = changes.wait_for(|seats| seats.wanted() != 3);
                assert!(timeout(FALL_AFTER / 2, fewer).await.is_err());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_parts_once_it_was_spare_for_long_enough() {
        let spread = Spread::new(2);
        let _kept = spread.sit(0, Some(&replica("a", 1)));
        let seat = spread.sit(1, Some(&replica("a", 1)));
        let mut settling = JoinSet::new();
        settling.spawn(spread.clone().settle());
        let long = Duration::from_secs(20);
        let mut parts = Box::pin(seat.spare_for(long));
        let lonely = timeout(Duration::from_secs(100), &mut parts).await;
        assert!(lonely.is_err(), "there is one replica");
        let begin = Instant::now();
        seat.hears(2);
        parts.await;
        let took = begin.elapsed();
        assert!((long..=long + RISE_WITHIN).contains(&took), "{took:?}");
    }
}
