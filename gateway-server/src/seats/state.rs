//! The requests of one managed cluster, counted by caller. It waits for nothing: it decides who may
//! begin, who waits and who is next. `W` is what the one who waits left behind.
//!
//! ```text
//!  enter ──► a place ────────────────────────► leave ──► end
//!    │                                           │
//!    └─────► wait ──► (handed on by leave) ◄─────┘
//!              └────► give_up
//! ```

use std::{collections::HashMap, sync::Arc};

use tokio::time::Instant;

use super::{
    Need,
    full::Full,
    limits::Limits,
    queue::{Queue, Ticket},
    rate::{Bucket, Rate},
};

/// So many callers are remembered at least, before those are forgotten that have nothing open.
const FEW: usize = 16;

/// The requests of one managed cluster.
#[derive(Debug)]
pub(super) struct State<W> {
    all: Count,
    rate: Bucket,
    users: HashMap<Arc<str>, Caller>,
    queue: Queue<Arc<str>, W>,
    /// With so many callers it is time to forget some.
    many: usize,
}

/// What one caller has.
#[derive(Debug)]
struct Caller {
    name: Arc<str>,
    count: Count,
    rate: Bucket,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Count {
    /// Those that are open, waiting ones included.
    short: usize,
    /// Those of them that have a place: the cluster works on them.
    working: usize,
    long: usize,
    connections: usize,
}

/// What becomes of a short request.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Entered {
    /// It has a place. This is its caller's name.
    Placed(Arc<str>),
    /// It may wait for one.
    Waits(Arc<str>),
}

impl<W> Default for State<W> {
    fn default() -> Self {
        Self {
            all: Count::default(),
            rate: Bucket::default(),
            users: HashMap::new(),
            queue: Queue::default(),
            many: FEW,
        }
    }
}

impl<W> State<W> {
    /// A request that is not short begins.
    pub(super) fn begin(
        &mut self,
        user: &str,
        need: Need,
        now: Instant,
        limits: &Limits,
    ) -> Result<Arc<str>, Full> {
        let all = self.all;
        let caller = self.caller(user, now);
        fits(caller.count, all, need, limits)?;
        *caller.count.of(need) += 1;
        let name = Arc::clone(&caller.name);
        *self.all.of(need) += 1;
        Ok(name)
    }

    /// A short request comes.
    pub(super) fn enter(
        &mut self,
        user: &str,
        now: Instant,
        limits: &Limits,
    ) -> Result<Entered, Full> {
        let (all, of_all) = (self.all, self.rate);
        let caller = self.caller(user, now);
        fits(caller.count, all, Need::Short, limits)?;
        within_rates(caller.rate, of_all, now, limits)?;
        if all.working < limits.short_requests
            && caller.count.working < limits.short_requests_per_user
        {
            caller.count.working += 1;
            let name = caller.opens(now, limits);
            self.all.working += 1;
            self.opens(now, limits);
            return Ok(Entered::Placed(name));
        }
        let name = Arc::clone(&caller.name);
        if self.queue.len_of(&name) >= limits.queued_requests_per_user {
            return Err(Full::QueueOfUser(limits.queued_requests_per_user));
        }
        Ok(Entered::Waits(name))
    }

    /// A short request that may wait does so.
    pub(super) fn wait(
        &mut self,
        user: &Arc<str>,
        now: Instant,
        limits: &Limits,
        waiter: W,
    ) -> Ticket {
        let caller = self.caller(user, now);
        let may_have_more = caller.count.working < limits.short_requests_per_user;
        caller.opens(now, limits);
        self.opens(now, limits);
        self.queue.push(user, waiter, may_have_more)
    }

    /// One who waits gives up. Returns the one who has its place now, if its turn had come meanwhile.
    pub(super) fn give_up(
        &mut self,
        user: &Arc<str>,
        ticket: Ticket,
        limits: &Limits,
    ) -> Option<W> {
        let was_next = self.queue.remove(user, ticket).is_none();
        let next = was_next.then(|| self.leave(user, limits)).flatten();
        self.end(user, Need::Short);
        next
    }

    /// A short request gives its place back, because its answer has begun or there is none. Returns the
    /// one who has the place now.
    pub(super) fn leave(&mut self, user: &Arc<str>, limits: &Limits) -> Option<W> {
        self.all.working -= 1;
        if let Some(caller) = self.users.get_mut(user) {
            caller.count.working -= 1;
        }
        if self.queue.is_empty() {
            return None;
        }
        self.queue.resume(user);
        if self.all.working >= limits.short_requests {
            return None;
        }
        let (next, waiter) = self.queue.pop()?;
        self.all.working += 1;
        let caller = self.users.get_mut(&next)?;
        caller.count.working += 1;
        if caller.count.working >= limits.short_requests_per_user {
            self.queue.pause(&next);
        }
        Some(waiter)
    }

    /// A request is over.
    pub(super) fn end(&mut self, user: &Arc<str>, need: Need) {
        *self.all.of(need) -= 1;
        if let Some(caller) = self.users.get_mut(user) {
            *caller.count.of(need) -= 1;
        }
    }

    /// Whether it is the caller's own limit for which its requests wait.
    pub(super) fn has_its_part(&self, user: &Arc<str>, limits: &Limits) -> bool {
        let caller = self.users.get(user);
        caller.is_some_and(|it| it.count.working >= limits.short_requests_per_user)
    }

    /// Counts one more short request.
    fn opens(&mut self, now: Instant, limits: &Limits) {
        self.all.short += 1;
        if let Some(rate) = limits.rate {
            self.rate.take(rate, now);
        }
    }

    /// A caller, who may be new.
    fn caller(&mut self, user: &str, now: Instant) -> &mut Caller {
        if !self.users.contains_key(user) {
            self.forget_some(now);
            let name: Arc<str> = Arc::from(user);
            self.users.insert(Arc::clone(&name), Caller::new(name));
        }
        self.users.get_mut(user).expect("it is there or was added")
    }

    /// Forgets who has nothing open, and of whose rate nothing is used up. That is looked at when the
    /// number of callers has doubled, so it costs each new one the same.
    fn forget_some(&mut self, now: Instant) {
        if self.users.len() < self.many {
            return;
        }
        self.users
            .retain(|_, it| it.count != Count::default() || !it.rate.is_full(now));
        self.many = FEW.max(2 * self.users.len());
    }
}

impl Caller {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            count: Count::default(),
            rate: Bucket::default(),
        }
    }

    /// Counts one more short request.
    fn opens(&mut self, now: Instant, limits: &Limits) -> Arc<str> {
        self.count.short += 1;
        if let Some(rate) = limits.rate_per_user {
            self.rate.take(rate, now);
        }
        Arc::clone(&self.name)
    }
}

/// Whether one more request fits beside those of its caller and those of all callers.
fn fits(mine: Count, all: Count, need: Need, limits: &Limits) -> Result<(), Full> {
    let Limits {
        requests_per_user,
        long_requests,
        upgrades_per_user,
        upgrades,
        ..
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

/// Whether one more short request may begin now.
fn within_rates(mine: Bucket, all: Bucket, now: Instant, limits: &Limits) -> Result<(), Full> {
    let wait = |bucket: Bucket, rate: Rate| {
        let wait = bucket.wait(rate, now);
        (!wait.is_zero()).then_some((rate.per_second(), wait))
    };
    if let Some((per_second, wait)) = limits.rate_per_user.and_then(|rate| wait(mine, rate)) {
        return Err(Full::RateOfUser { per_second, wait });
    }
    match limits.rate.and_then(|rate| wait(all, rate)) {
        Some((per_second, wait)) => Err(Full::Rate { per_second, wait }),
        None => Ok(()),
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

#[cfg(test)]
mod tests;
