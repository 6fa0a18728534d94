//! The connections of one upstream. A request uses the least loaded one. Another one is opened
//! before streams run out, and all requests that wait share it. A request that finds a place opens
//! nothing.

mod error;
mod health;
mod http1;
mod pooled;
mod slots;
mod state;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use kubernetes::clock::now;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use self::{
    error::ATTEMPTS,
    http1::{IDLE, RECENT, Single},
    slots::Slots,
    state::{Done, Next, Opened, State},
};
pub(crate) use self::{
    error::PoolError,
    health::{Health, Sighting},
    pooled::{Lease, Pooled, SendError, Wanted},
    slots::MOST as MOST_CONNECTIONS,
};
use super::connect::{ConnectError, Connected, Connector};

/// How often to check whether a retiring connection is still used.
const RETIRE_EVERY: Duration = Duration::from_millis(200);
/// How long a retiring connection is kept for new requests while there is no other one. An agent
/// whose connections all end at once is back within a second.
const SUCCESSOR_WITHIN: Duration = Duration::from_secs(3);
/// The pool of one upstream.
#[derive(Debug)]
pub(crate) struct Pool {
    connector: Arc<Connector>,
    state: Arc<Mutex<State>>,
}

impl Pool {
    pub(crate) fn new(connector: Arc<Connector>) -> Self {
        Self {
            connector,
            state: Arc::default(),
        }
    }

    /// A place for one request.
    pub(crate) async fn lease(&self, wanted: Wanted) -> Result<Pooled, PoolError> {
        let mut gone = 0;
        while gone < ATTEMPTS {
            let mut opening = match self.next(wanted)? {
                Found::Place(pooled) => return Ok(pooled),
                Found::Single(place) => {
                    if let Some(pooled) = self.open_single(place).await? {
                        return Ok(pooled);
                    }
                    gone += 1;
                    continue;
                }
                Found::Opening(opening) => opening,
            };
            let outcome = opening
                .wait_for(Option::is_some)
                .await
                // Nobody carries out the attempt any more: the process shuts down.
                .map_err(|_| PoolError::Unstable)?
                .clone();
            let opened = outcome.expect("waited for it")?;
            gone += usize::from(opened.is_none_or(|it| it.is_gone()));
        }
        Err(PoolError::Unstable)
    }

    /// What is known about the upstream.
    pub(crate) fn sighting(&self) -> Sighting {
        self.state.lock().sighting()
    }

    /// A connection that is not the pool's was made.
    pub(crate) fn worked(&self) {
        self.state.lock().worked(now());
    }

    fn next(&self, wanted: Wanted) -> Result<Found, PoolError> {
        let mut state = self.state.lock();
        if state.http1_only {
            let http1 = Arc::clone(&state.http1);
            drop(state);
            let idle = match wanted {
                Wanted::Any => Single::idle(&http1, IDLE),
                Wanted::Recent => Single::idle(&http1, RECENT),
                Wanted::New => None,
            };
            return match idle {
                Some((sender, place)) => Ok(Found::Place(Pooled::http1_kept(sender, place))),
                None => Single::to_open(&http1).map(Found::Single),
            };
        }
        let next = state.next()?;
        drop(state);
        let (found, done) = match next {
            Next::Use(slot, done) => (Found::Place(Pooled::http2(slot)), done),
            Next::Wait(opening, done) => (Found::Opening(opening), done),
        };
        if let Some(done) = done {
            self.open(done);
        }
        Ok(found)
    }

    /// Opens one connection for all requests that wait. The attempt goes on even if they all give
    /// up; otherwise an impatient client could keep a cluster from ever being connected.
    fn open(&self, done: Done) {
        let (connector, shared) = (Arc::clone(&self.connector), Arc::clone(&self.state));
        self.connector.tasks.spawn(async move {
            let connected = connector.pooled().await;
            let outcome = shared.lock().opened(connected);
            if let Ok(Some(slots)) = &outcome {
                retire_in_time(&connector.tasks, &shared, slots);
            }
            done.send_replace(Some(outcome));
        });
    }

    /// Opens a connection for one request. If the caller gives up before it is open, its place is
    /// given back. `None` if the upstream has come to speak HTTP/2: there are places for all now.
    async fn open_single(&self, mut place: Single) -> Result<Option<Pooled>, PoolError> {
        // Boxed for the same reason as in `Connector::http1`.
        let connected = Box::pin(self.connector.pooled()).await;
        let mut state = self.state.lock();
        let connected = connected.map_err(|error| state.failed(error, now()))?;
        state.worked(now());
        match connected {
            Connected::Http1(sender) => {
                place.opened();
                Ok(Some(Pooled::http1(sender, place)))
            }
            Connected::Http2(connection) => {
                state.http1_only = false;
                // Many may have opened one at the same time.
                if !state.has_room() {
                    let slots = state.admit(connection);
                    retire_in_time(&self.connector.tasks, &self.state, &slots);
                }
                Ok(None)
            }
        }
    }
}

/// What a request can do next.
enum Found {
    Place(Pooled),
    Opening(state::Opening),
    /// Open a connection for itself.
    Single(Single),
}

/// Makes a connection retire before its tunnel ends, if it goes through one.
fn retire_in_time(tasks: &TaskTracker, home: &Arc<Mutex<State>>, slots: &Arc<Slots>) {
    if let Some(retired) = slots.connection.retired() {
        let (home, slots) = (Arc::downgrade(home), Arc::downgrade(slots));
        tasks.spawn(async move {
            if retired.await {
                retire(home, slots).await;
            }
        });
    }
}

/// Drops a connection as soon as nothing uses it, because its tunnel is about to end and must not
/// wait for an unused connection.
async fn retire(home: Weak<Mutex<State>>, slots: Weak<Slots>) {
    let end = Instant::now() + SUCCESSOR_WITHIN;
    loop {
        let Some((home, slots)) = home.upgrade().zip(slots.upgrade()) else {
            return;
        };
        let is_late = Instant::now() >= end;
        if home.lock().let_go(&slots, is_late) {
            return;
        }
        drop((home, slots));
        sleep(RETIRE_EVERY).await;
    }
}

impl State {
    /// Takes in how the attempt for all who wait has ended.
    fn opened(&mut self, connected: Result<Connected, ConnectError>) -> Result<Opened, PoolError> {
        let now = now();
        self.opening_ended();
        let connected = connected.map_err(|error| self.failed(error, now))?;
        self.worked(now);
        Ok(match connected {
            Connected::Http2(connection) => Some(self.admit(connection)),
            Connected::Http1(sender) => {
                self.http1_only = true;
                self.http1.lock().keep(sender);
                None
            }
        })
    }
}

#[cfg(test)]
mod tests;
