//! The HTTP/1.1 connections of a pool. Each carries one request at a time.

use std::sync::{Arc, Weak};

use hyper::client::conn::http1;
use parking_lot::Mutex;

use super::error::PoolError;
use crate::upstream::request_body::RequestBody;

/// The largest number of HTTP/1.1 connections to one upstream.
const MOST: usize = 256;

pub(super) type Sender = http1::SendRequest<RequestBody>;

/// The connections that nothing uses, and the number of the others.
#[derive(Debug, Default)]
pub(super) struct Singles {
    idle: Vec<Sender>,
    /// How many are being opened.
    opening: usize,
    /// How many carry a request.
    used: usize,
}

/// A connection that carries a request, or is being opened for it.
#[derive(Debug)]
pub(super) struct Single {
    home: Weak<Mutex<Singles>>,
    is_open: bool,
    /// To use again once the answer was read to its end.
    sender: Option<Sender>,
}

impl Singles {
    /// Adds a connection that nothing uses.
    pub(super) fn keep(&mut self, sender: Sender) {
        self.idle.push(sender);
    }

    pub(super) fn are_open(&self) -> bool {
        self.used > 0 || self.idle.iter().any(|sender| !sender.is_closed())
    }

    pub(super) fn places(&self) -> usize {
        self.idle.len() + self.opening + self.used
    }
}

impl Single {
    /// A connection that nothing uses.
    pub(super) fn idle(home: &Arc<Mutex<Singles>>) -> Option<(Sender, Self)> {
        let mut singles = home.lock();
        let idle = &mut singles.idle;
        let sender = std::iter::from_fn(|| idle.pop()).find(|it| !it.is_closed())?;
        singles.used += 1;
        Some((sender, Self::new(home, true)))
    }

    /// A place for a connection that is about to be opened.
    pub(super) fn to_open(home: &Arc<Mutex<Singles>>) -> Result<Self, PoolError> {
        let mut singles = home.lock();
        singles.idle.retain(|sender| !sender.is_closed());
        if singles.places() >= MOST {
            return Err(PoolError::Exhausted { connections: MOST });
        }
        singles.opening += 1;
        Ok(Self::new(home, false))
    }

    fn new(home: &Arc<Mutex<Singles>>, is_open: bool) -> Self {
        Self {
            home: Arc::downgrade(home),
            is_open,
            sender: None,
        }
    }

    /// Its connection is open now.
    pub(super) fn opened(&mut self) {
        if let Some(home) = self.home.upgrade() {
            let mut singles = home.lock();
            singles.opening -= 1;
            singles.used += 1;
        }
        self.is_open = true;
    }

    /// Another request may use the connection once this one has finished.
    pub(super) fn keep(&mut self, sender: Sender) {
        self.sender = Some(sender);
    }

    /// The answer was read to its end, so the connection can be used again.
    pub(super) fn finish(mut self) {
        let sender = self.sender.take().filter(|sender| !sender.is_closed());
        if let (Some(home), Some(sender)) = (self.home.upgrade(), sender) {
            home.lock().keep(sender);
        }
    }
}

impl Drop for Single {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            let mut singles = home.lock();
            if self.is_open {
                singles.used -= 1;
            } else {
                singles.opening -= 1;
            }
        }
    }
}
