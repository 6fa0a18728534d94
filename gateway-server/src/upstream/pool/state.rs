//! The HTTP/2 connections of a pool: which one a request uses, and when another one is opened. One
//! attempt at a time, for all who wait. It waits for nothing and knows nothing of HTTP.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    error::PoolError,
    health::{Health, Sighting},
    http1::Singles,
    slots::{Connection, MOST, Slot, Slots},
};
use crate::upstream::connect::{ConnectError, Http2};

/// What is known of the connections.
#[derive(Debug)]
pub(super) struct State<C = Http2> {
    http2: Vec<Arc<Slots<C>>>,
    opening: Option<Opening<C>>,
    health: Health,
    attempted: Option<Timestamp>,
    /// The upstream does not speak HTTP/2.
    pub(super) http1_only: bool,
    pub(super) http1: Arc<Mutex<Singles>>,
}

/// Resolves when the connection that is being opened is in the pool or has failed.
pub(super) type Opening<C = Http2> = watch::Receiver<Option<Result<Opened<C>, PoolError>>>;

/// Tells all who wait how the attempt ended.
pub(super) type Done<C = Http2> = watch::Sender<Option<Result<Opened<C>, PoolError>>>;

/// The new connection, unless it speaks HTTP/1.1.
pub(super) type Opened<C = Http2> = Option<Arc<Slots<C>>>;

/// What a request does next. If there is a [`Done`], a connection must be opened for it.
#[derive(Debug)]
pub(super) enum Next<C = Http2> {
    Use(Slot<C>, Option<Done<C>>),
    Wait(Opening<C>, Option<Done<C>>),
}

impl<C> Default for State<C> {
    fn default() -> Self {
        Self {
            http2: Vec::new(),
            opening: None,
            health: Health::default(),
            attempted: None,
            http1_only: false,
            http1: Arc::default(),
        }
    }
}

impl<C: Connection> State<C> {
    /// A place on a connection, or the attempt to wait for.
    pub(super) fn next(&mut self) -> Result<Next<C>, PoolError> {
        self.http2.retain(|slots| !slots.is_gone());
        let least = self
            .http2
            .iter()
            .min_by_key(|slots| (slots.is_retiring(), slots.used()))
            .map(Arc::clone);
        match least {
            Some(slots) if slots.has_room() => {
                // If all are retiring, requests use one of them until another one is there.
                let is_short = slots.is_nearly_full() && !self.is_full();
                let done = if is_short || slots.is_retiring() {
                    self.begin()
                } else {
                    None
                };
                Ok(Next::Use(slots.take(), done))
            }
            Some(slots) if self.is_full() && !slots.is_retiring() && !self.is_opening() => {
                Err(PoolError::Exhausted { connections: MOST })
            }
            _ => {
                let done = self.begin();
                let opening = self.opening.clone().expect("begun if there was none");
                Ok(Next::Wait(opening, done))
            }
        }
    }

    /// Whether a connection has a place.
    pub(super) fn has_room(&self) -> bool {
        let mut http2 = self.http2.iter();
        http2.any(|slots| !slots.is_gone() && !slots.is_retiring() && slots.has_room())
    }

    fn is_full(&self) -> bool {
        self.http2.len() >= MOST
    }

    /// Whether a connection is being opened. An attempt that nobody carries out any more, because it
    /// panicked, is none.
    fn is_opening(&self) -> bool {
        let opening = self.opening.as_ref();
        opening.is_some_and(|opening| opening.has_changed().is_ok())
    }

    /// Begins an attempt, unless there is one.
    fn begin(&mut self) -> Option<Done<C>> {
        if self.is_opening() {
            return None;
        }
        let (done, opening) = watch::channel(None);
        self.opening = Some(opening);
        Some(done)
    }

    /// The attempt has failed.
    pub(super) fn failed(&mut self, error: ConnectError, now: Timestamp) -> PoolError {
        self.attempted = Some(now);
        let since = self.health.failing_since(now);
        let error = Arc::new(error);
        if !self.is_open() {
            self.health = Health::Failing {
                error: Arc::clone(&error),
                since,
            };
        }
        PoolError::Connect { error, since }
    }

    /// A connection was made.
    pub(super) fn worked(&mut self, now: Timestamp) {
        self.health = Health::Good;
        self.attempted = Some(now);
    }

    /// Nobody waits for an attempt any more.
    pub(super) fn opening_ended(&mut self) {
        self.opening = None;
    }

    /// Adds a connection.
    pub(super) fn admit(&mut self, connection: C) -> Arc<Slots<C>> {
        let slots = Arc::new(Slots::new(connection));
        // Requests on retiring connections hold them until they are done.
        self.http2.retain(|slots| !slots.is_retiring());
        self.http2.push(Arc::clone(&slots));
        slots
    }

    /// Removes a retiring connection if nothing uses it, and another one is there or none came in
    /// time. Returns true if it is removed.
    pub(super) fn let_go(&mut self, retiring: &Arc<Slots<C>>, is_late: bool) -> bool {
        let has_successor = self.http2.iter().any(|known| !known.is_retiring());
        let is_unused = retiring.used() == 0 && (has_successor || is_late);
        let goes = is_unused || retiring.is_gone();
        if goes {
            self.http2.retain(|known| !Arc::ptr_eq(known, retiring));
        }
        goes
    }

    fn is_open(&self) -> bool {
        self.http2.iter().any(|slots| !slots.is_gone()) || self.http1.lock().are_open()
    }

    pub(super) fn sighting(&self) -> Sighting {
        Sighting {
            health: self.health.clone(),
            attempted: self.attempted,
            is_open: self.is_open(),
        }
    }

    /// All connections have ended.
    #[cfg(test)]
    pub(super) fn http2_ended(&mut self) {
        self.http2.clear();
    }

    /// How many requests are on each connection.
    #[cfg(test)]
    pub(super) fn used(&self) -> Vec<usize> {
        self.http2.iter().map(|slots| slots.used()).collect()
    }
}

#[cfg(test)]
mod tests;
