//! An HTTP/2 connection of a pool, with the number of requests on it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::upstream::connect::Http2;

/// The largest number of HTTP/2 connections to one upstream. With kube-apiserver's 100 streams on
/// each, this is 3,200 requests and watches at once.
pub(crate) const MOST: usize = 32;

/// What a pool wants to know of a connection.
pub(super) trait Connection {
    /// How many streams the peer allows right now.
    fn allowed(&self) -> usize;

    /// Whether requests should use another connection if there is one.
    fn is_retiring(&self) -> bool;

    /// Whether it has ended.
    fn is_gone(&self) -> bool;
}

/// A connection, and how many requests use it.
#[derive(Debug)]
pub(super) struct Slots<C = Http2> {
    pub(super) connection: C,
    used: AtomicUsize,
}

/// One of the places of a connection, for as long as it lives.
#[derive(Debug)]
pub(super) struct Slot<C = Http2>(Arc<Slots<C>>);

impl<C: Connection> Slots<C> {
    pub(super) fn new(connection: C) -> Self {
        Self {
            connection,
            used: AtomicUsize::new(0),
        }
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn allowed(&self) -> usize {
        self.connection.allowed()
    }

    pub(super) fn has_room(&self) -> bool {
        self.used() < self.allowed()
    }

    /// Whether at most a quarter of the places is left.
    pub(super) fn is_nearly_full(&self) -> bool {
        let allowed = self.allowed();
        // A peer that says no limit allows `usize::MAX`.
        self.used() >= allowed - allowed / 4
    }

    pub(super) fn is_retiring(&self) -> bool {
        self.connection.is_retiring()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.connection.is_gone()
    }

    /// Takes a place. Only whoever has locked the pool may, so that no two take the last one.
    pub(super) fn take(self: &Arc<Self>) -> Slot<C> {
        self.used.fetch_add(1, Ordering::Relaxed);
        Slot(Arc::clone(self))
    }
}

impl<C> Slot<C> {
    pub(super) fn connection(&self) -> &C {
        &self.0.connection
    }
}

impl<C> Drop for Slot<C> {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection for Http2 {
    fn allowed(&self) -> usize {
        self.allowed_streams()
    }

    fn is_retiring(&self) -> bool {
        Self::is_retiring(self)
    }

    fn is_gone(&self) -> bool {
        self.sender.is_closed()
    }
}
