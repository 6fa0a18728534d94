//! An HTTP/2 connection of a pool, with the number of requests on it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::upstream::connect::Http2;

/// A connection, and how many requests use it.
#[derive(Debug)]
pub(super) struct Slots {
    pub(super) connection: Http2,
    pub(super) used: AtomicUsize,
}

impl Slots {
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn allowed(&self) -> usize {
        self.connection.allowed_streams()
    }

    /// Whether requests should use another connection if there is one.
    pub(super) fn is_retiring(&self) -> bool {
        self.connection.is_retiring()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.connection.sender.is_closed()
    }
}
