//! The HTTP/1.1 connections of a pool. Each carries one request at a time.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use hyper::client::conn::http1;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{error::PoolError, slots};
use crate::upstream::request_body::RequestBody;

/// The largest number of HTTP/1.1 connections to one upstream: as many requests and watches at once
/// as HTTP/2 allows. How many of them may be watches is the caller's business.
const MOST: usize = slots::MOST * 100;
/// The largest number of them that are kept while nothing uses them.
const MOST_IDLE: usize = 100;
/// How long a connection may have been idle that is used again. Load balancers close idle ones after
/// a minute, and a request must not meet that.
pub(super) const IDLE: Duration = Duration::from_secs(30);
/// How long if the request must not be lost. Hardly anybody closes a connection that soon.
pub(super) const RECENT: Duration = Duration::from_secs(1);

pub(super) type Sender = http1::SendRequest<RequestBody>;

/// The connections that nothing uses, and the number of the others.
#[derive(Debug, Default)]
pub(super) struct Singles {
    /// With the time since when; the last one is the youngest.
    idle: Vec<(Sender, Instant)>,
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
        self.sort_out();
        if self.idle.len() < MOST_IDLE {
            self.idle.push((sender, Instant::now()));
        }
    }

    /// Drops what will not be used again.
    fn sort_out(&mut self) {
        self.idle
            .retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE);
    }

    pub(super) fn are_open(&self) -> bool {
        self.used > 0 || self.idle.iter().any(|(sender, _)| !sender.is_closed())
    }

    pub(super) fn places(&self) -> usize {
        self.idle.len() + self.opening + self.used
    }
}

impl Single {
    /// A connection that nothing uses, and that was used within this time.
    pub(super) fn idle(home: &Arc<Mutex<Singles>>, within: Duration) -> Option<(Sender, Self)> {
        let mut singles = home.lock();
        singles.sort_out();
        let idle = &mut singles.idle;
        let (sender, _) = idle.pop_if(|(_, since)| since.elapsed() < within)?;
        singles.used += 1;
        Some((sender, Self::new(home, true)))
    }

    /// A place for a connection that is about to be opened.
    pub(super) fn to_open(home: &Arc<Mutex<Singles>>) -> Result<Self, PoolError> {
        let mut singles = home.lock();
        singles.sort_out();
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

#[cfg(test)]
mod tests {
    use hyper::client::conn::http1::{Connection, handshake};
    use hyper_util::rt::TokioIo;
    use tokio::{
        io::{DuplexStream, duplex},
        time::advance,
    };

    use super::*;

    type Kept = (DuplexStream, Connection<TokioIo<DuplexStream>, RequestBody>);

    /// Keeps a connection that nothing uses. It stays open while this is held.
    async fn keep(home: &Mutex<Singles>) -> Kept {
        let (near, far) = duplex(64);
        let (sender, connection) = handshake(TokioIo::new(near)).await.unwrap();
        home.lock().keep(sender);
        (far, connection)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_idle_for_long_is_not_used_again() {
        let home = Arc::default();
        let _first = keep(&home).await;
        assert!(Single::idle(&home, RECENT).is_some());
        let _second = keep(&home).await;
        advance(RECENT).await;
        assert!(Single::idle(&home, RECENT).is_none());
        assert!(Single::idle(&home, IDLE).is_some());
        let _third = keep(&home).await;
        advance(IDLE).await;
        assert!(Single::idle(&home, IDLE).is_none());
        assert_eq!(home.lock().places(), 0);
    }

    #[tokio::test]
    async fn only_so_many_are_kept_that_nothing_uses() {
        let home = Mutex::default();
        let mut held = Vec::new();
        for _ in 0..=MOST_IDLE {
            held.push(keep(&home).await);
        }
        assert_eq!(home.lock().places(), MOST_IDLE);
    }

    #[tokio::test]
    async fn one_that_has_closed_is_not_used_again() {
        let home = Arc::default();
        let (far, connection) = keep(&home).await;
        drop(far);
        let _ = connection.await;
        assert!(Single::idle(&home, IDLE).is_none());
    }
}
