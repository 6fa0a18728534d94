//! The requests in flight at one managed cluster, counted by caller. Limits keep one caller, or the
//! long requests of all, from using up what every other request needs.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// How many requests may be in flight at one managed cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Of one caller, upgrades apart.
    pub requests_per_user: usize,
    /// Of all callers, those that last.
    pub long_requests: usize,
    /// Of one caller, those that need a connection of their own.
    pub upgrades_per_user: usize,
    /// Of all callers, those that need a connection of their own.
    pub upgrades: usize,
}

/// What a request needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Need {
    /// A stream of a shared connection, usually for a short time.
    Short,
    /// The same for a long time: watches and logs.
    Long,
    /// A connection of its own: upgrades, and requests to services.
    Connection,
}

/// A limit is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Full {
    #[error("you have {0} requests open there, which is the limit for each user")]
    RequestsOfUser(usize),
    #[error("{0} watches and logs are open there, which is the limit for all users together")]
    LongRequests(usize),
    #[error(
        "you have {0} exec, attach, port-forward or other upgraded connections open there, which is \
         the limit for each user"
    )]
    UpgradesOfUser(usize),
    #[error(
        "{0} exec, attach, port-forward or other upgraded connections are open there, which is the \
         limit for all users together"
    )]
    Upgrades(usize),
}

/// How long a request that needs a connection of its own waits for one.
const PATIENCE: Duration = Duration::from_secs(2);

/// The requests in flight at one managed cluster.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    taken: Mutex<Taken>,
    /// Wakes who waits for a connection, when one is free again.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    all: Count,
    users: HashMap<Arc<str>, Count>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Count {
    short: usize,
    long: usize,
    connections: usize,
}

/// The place of one request. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    user: Arc<str>,
    need: Need,
}

impl Full {
    /// The limit, as a metric label.
    pub(crate) fn limit(self) -> &'static str {
        match self {
            Self::RequestsOfUser(_) => "requests_per_user",
            Self::LongRequests(_) => "long_requests",
            Self::UpgradesOfUser(_) => "upgrades_per_user",
            Self::Upgrades(_) => "upgrades",
        }
    }
}

impl Seats {
    /// Takes a place for a request of `user`. If that is for a connection of its own, it waits a moment
    /// until there is one, because people close a shell and open the next one.
    pub(crate) async fn take_soon(
        self: &Arc<Self>,
        user: &str,
        need: Need,
        limits: &Limits,
    ) -> Result<Seat, Full> {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            let full = match self.take(user, need, limits) {
                Err(full) if need == Need::Connection => full,
                taken => return taken,
            };
            timeout_at(end, freed).await.map_err(|_| full)?;
        }
    }

    /// Takes a place for a request of `user`.
    fn take(self: &Arc<Self>, user: &str, need: Need, limits: &Limits) -> Result<Seat, Full> {
        let mut taken = self.taken.lock();
        let known = taken.users.get_key_value(user);
        let (user, mine) = match known {
            Some((user, mine)) => (Arc::clone(user), *mine),
            None => (Arc::from(user), Count::default()),
        };
        fits(mine, taken.all, need, limits)?;
        *taken.all.of(need) += 1;
        *taken.users.entry(Arc::clone(&user)).or_default().of(need) += 1;
        drop(taken);
        let seats = Arc::clone(self);
        Ok(Seat { seats, user, need })
    }
}

/// Whether one more request fits beside those of its caller and those of all callers.
fn fits(mine: Count, all: Count, need: Need, limits: &Limits) -> Result<(), Full> {
    let Limits {
        requests_per_user,
        long_requests,
        upgrades_per_user,
        upgrades,
    } = *limits;
    match need {
        Need::Short | Need::Long if mine.short + mine.long >= requests_per_user => {
            Err(Full::RequestsOfUser(requests_per_user))
        }
        Need::Long if all.long >= long_requests => Err(Full::LongRequests(long_requests)),
        Need::Connection if mine.connections >= upgrades_per_user => {
            Err(Full::UpgradesOfUser(upgrades_per_user))
        }
        Need::Connection if all.connections >= upgrades => Err(Full::Upgrades(upgrades)),
        Need::Short | Need::Long | Need::Connection => Ok(()),
    }
}

impl Count {
    fn of(&mut self, need: Need) -> &mut usize {
        match need {
            Need::Short => &mut self.short,
            Need::Long => &mut self.long,
            Need::Connection => &mut self.connections,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock();
        *taken.all.of(self.need) -= 1;
        if let Some(mine) = taken.users.get_mut(&self.user) {
            *mine.of(self.need) -= 1;
            if *mine == Count::default() {
                taken.users.remove(&self.user);
            }
        }
        drop(taken);
        if self.need == Need::Connection {
            self.seats.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        requests_per_user: 3,
        long_requests: 4,
        upgrades_per_user: 1,
        upgrades: 2,
    };

    #[test]
    fn one_caller_takes_only_its_part_and_long_requests_leave_room_for_short_ones() {
        let seats = Arc::<Seats>::default();
        let take = |user, need| seats.take(user, need, &LIMITS);
        let mut held = Vec::new();
        for need in [Need::Long, Need::Long, Need::Short, Need::Connection] {
            held.push(take("alice", need).unwrap());
        }
        for need in [Need::Long, Need::Short] {
            assert_eq!(take("alice", need).unwrap_err(), Full::RequestsOfUser(3));
        }
        let refused = take("alice", Need::Connection).unwrap_err();
        assert_eq!(refused, Full::UpgradesOfUser(1));
        for need in [Need::Long, Need::Long, Need::Connection] {
            held.push(take("bob", need).unwrap());
        }
        assert_eq!(
            take("carol", Need::Long).unwrap_err(),
            Full::LongRequests(4)
        );
        assert_eq!(
            take("carol", Need::Connection).unwrap_err(),
            Full::Upgrades(2)
        );
        held.push(take("carol", Need::Short).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_waited_for_for_a_moment_and_a_stream_is_not() {
        let seats = Arc::<Seats>::default();
        let take = |need| seats.take_soon("alice", need, &LIMITS);
        let first = take(Need::Connection).await.unwrap();
        let began = Instant::now();
        let refused = take(Need::Connection).await.unwrap_err();
        assert_eq!(refused, Full::UpgradesOfUser(1));
        assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
        let (second, ()) = tokio::join!(take(Need::Connection), async { drop(first) });
        let _held = (
            second.unwrap(),
            take(Need::Short).await,
            take(Need::Short).await,
        );
        let _last = take(Need::Long).await.unwrap();
        let began = Instant::now();
        assert_eq!(
            take(Need::Short).await.unwrap_err(),
            Full::RequestsOfUser(3)
        );
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[test]
    fn a_place_is_free_again_when_its_request_is_over_and_nothing_is_left_behind() {
        let seats = Arc::<Seats>::default();
        let first = seats.take("alice", Need::Connection, &LIMITS).unwrap();
        assert!(seats.take("alice", Need::Connection, &LIMITS).is_err());
        drop(first);
        drop(seats.take("alice", Need::Connection, &LIMITS).unwrap());
        let taken = seats.taken.lock();
        assert!(taken.users.is_empty());
        assert_eq!(taken.all, Count::default());
    }
}
