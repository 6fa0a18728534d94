//! The requests in flight at one managed cluster. Limits keep one caller, or the long requests of all,
//! from using up what every other request needs. Short requests beyond them wait, and callers take
//! turns. What is decided is in [`state`](self::state); here is who waits for it.

mod full;
mod hall;
mod limits;
mod queue;
mod rate;
mod state;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout_at},
};

pub(crate) use self::{
    full::{Full, Whose},
    hall::Hall,
};
use self::{
    hall::{Pair, Queued},
    queue::Ticket,
    state::{Entered, State},
};
pub use self::{limits::Limits, rate::Rate};

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

/// How long a request that needs a connection of its own waits for one.
const PATIENCE: Duration = Duration::from_secs(2);

/// The requests in flight at one managed cluster.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    taken: Mutex<State<oneshot::Sender<()>>>,
    /// Wakes who waits for a connection, when one is free again.
    freed: Notify,
}

/// The place of one request. It is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Arc<Seats>,
    hall: Arc<Hall>,
    user: Arc<str>,
    need: Need,
    /// The cluster works on it, and it is short.
    works: AtomicBool,
    is_in_hall: bool,
    has_waited: bool,
}

/// A short request that waits for its place.
struct Waiting<'a> {
    seats: &'a Seats,
    hall: &'a Hall,
    user: Arc<str>,
    ticket: Ticket,
    turn: oneshot::Receiver<()>,
    /// `None` when it has its place.
    queued: Option<Queued<'a>>,
}

impl Seats {
    /// Takes a place for a request of `user`. A short request waits for its turn if there is none. One
    /// that needs a connection of its own waits a moment, because people close a shell and open the
    /// next one.
    pub(crate) async fn take_soon(
        self: &Arc<Self>,
        user: &str,
        need: Need,
        hall: &Arc<Hall>,
    ) -> Result<Seat, Full> {
        match need {
            Need::Short => self.take_short(user, hall).await,
            Need::Long => self.take(user, need, hall),
            Need::Connection => self.take_connection(user, hall).await,
        }
    }

    async fn take_short(self: &Arc<Self>, user: &str, hall: &Arc<Hall>) -> Result<Seat, Full> {
        let (user, now, waiting) = self.enter(user, hall)?;
        let mut queued = None;
        // Boxed, so that only the future of who waits is large.
        if let Some(waiting) = waiting {
            queued = Some(Box::pin(waiting.placed(now)).await?);
        }
        let mut seat = Seat::new(self, hall, user, Need::Short);
        seat.has_waited = queued.is_some();
        if !hall.try_enter() {
            seat.has_waited = true;
            let _queued = queued.map_or_else(|| hall.line_up(), Ok)?;
            Box::pin(seat.waits_for_the_hall(now)).await?;
        }
        seat.is_in_hall = true;
        Ok(seat)
    }

    /// The caller's name, when it came, and its place in the queue if it has to wait.
    fn enter<'a>(
        &'a self,
        user: &str,
        hall: &'a Hall,
    ) -> Result<(Arc<str>, Instant, Option<Waiting<'a>>), Full> {
        let mut taken = self.taken.lock();
        // Read in here, because a thread that stops between its look at the clock and the lock would
        // come too early for the rates.
        let now = Instant::now();
        let user = match taken.enter(user, now, &hall.limits)? {
            Entered::Placed(user) => return Ok((user, now, None)),
            Entered::Waits(user) => user,
        };
        let queued = hall.line_up()?;
        let (sender, turn) = oneshot::channel();
        let ticket = taken.wait(&user, now, &hall.limits, sender);
        let waiting = Waiting {
            seats: self,
            hall,
            user: Arc::clone(&user),
            ticket,
            turn,
            queued: Some(queued),
        };
        Ok((user, now, Some(waiting)))
    }

    async fn take_connection(self: &Arc<Self>, user: &str, hall: &Arc<Hall>) -> Result<Seat, Full> {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut freed = pin!(self.freed.notified());
            freed.as_mut().enable();
            let full = match self.take(user, Need::Connection, hall) {
                Err(full) => full,
                taken => return taken,
            };
            timeout_at(end, freed).await.map_err(|_| full)?;
        }
    }

    /// Takes a place for a request that is not short.
    fn take(self: &Arc<Self>, user: &str, need: Need, hall: &Arc<Hall>) -> Result<Seat, Full> {
        let now = Instant::now();
        let user = self.taken.lock().begin(user, need, now, &hall.limits)?;
        Ok(Seat::new(self, hall, user, need))
    }

    /// Tells the one whose turn it is. If nobody listens there any more, the turn is passed on by
    /// [`Waiting`].
    fn tell(next: Option<oneshot::Sender<()>>) {
        if let Some(next) = next {
            let _ = next.send(());
        }
    }
}

impl<'a> Waiting<'a> {
    /// Resolves when it has its place.
    async fn placed(mut self, since: Instant) -> Result<Queued<'a>, Full> {
        let end = since + self.hall.limits.queue_timeout;
        let turn = timeout_at(end, &mut self.turn).await;
        // The sender is kept until its turn has come.
        let _ = turn.map_err(|_| self.in_vain(since))?;
        Ok(self.queued.take().expect("it has waited until now"))
    }

    fn in_vain(&self, since: Instant) -> Full {
        let (limits, waited) = (&self.hall.limits, since.elapsed());
        if self.seats.taken.lock().has_its_part(&self.user, limits) {
            let most = limits.short_requests_per_user;
            return Full::ShortRequestsOfUser { most, waited };
        }
        let most = limits.short_requests;
        Full::ShortRequests { most, waited }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.queued.is_some() {
            let limits = &self.hall.limits;
            let next = self
                .seats
                .taken
                .lock()
                .give_up(&self.user, self.ticket, limits);
            Seats::tell(next);
        }
    }
}

impl Seat {
    fn new(seats: &Arc<Seats>, hall: &Arc<Hall>, user: Arc<str>, need: Need) -> Self {
        Self {
            seats: Arc::clone(seats),
            hall: Arc::clone(hall),
            user,
            need,
            works: AtomicBool::new(need == Need::Short),
            is_in_hall: false,
            has_waited: false,
        }
    }

    async fn waits_for_the_hall(&self, since: Instant) -> Result<(), Full> {
        let Limits {
            queue_timeout,
            short_requests_total: most,
            ..
        } = self.hall.limits;
        let pair = Pair {
            cluster: Arc::as_ptr(&self.seats).addr(),
            user: Arc::clone(&self.user),
        };
        let entered = self.hall.wait(pair).entered();
        let waited = timeout_at(since + queue_timeout, entered).await;
        waited.map_err(|_| Full::ShortRequestsTotal {
            most,
            waited: since.elapsed(),
        })
    }

    /// Whether it is a short request that has waited for its turn, so that what was decided before may not
    /// hold any more.
    pub(crate) fn has_waited(&self) -> bool {
        self.has_waited
    }

    /// Its answer has begun, so the cluster has done most of its work. How long the rest takes is up to
    /// the caller, who must not keep others from their turn meanwhile.
    pub(crate) fn answered(&self) {
        if !self.works.swap(false, Ordering::Relaxed) {
            return;
        }
        let limits = &self.hall.limits;
        let next = self.seats.taken.lock().leave(&self.user, limits);
        self.leaves_hall(next);
    }

    fn leaves_hall(&self, next: Option<oneshot::Sender<()>>) {
        Seats::tell(next);
        if self.is_in_hall {
            self.hall.leave();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let works = self.works.swap(false, Ordering::Relaxed);
        let mut taken = self.seats.taken.lock();
        let next = works
            .then(|| taken.leave(&self.user, &self.hall.limits))
            .flatten();
        taken.end(&self.user, self.need);
        drop(taken);
        if works {
            self.leaves_hall(next);
        }
        if self.need == Need::Connection {
            self.seats.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
