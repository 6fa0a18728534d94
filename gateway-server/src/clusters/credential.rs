//! A token that requests are sent with, and waiting for the one that comes after it. Requests in
//! flight keep the token they began with; a token that the managed cluster rejects is given up for
//! its successor.

use std::time::Duration;

use http::HeaderValue;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long to wait for a newer token after the first rejection of one that is renewed
/// automatically. After that, a rejection is reported at once until the newer token arrives.
const GRACE: Duration = Duration::from_secs(5);

/// A token as it is sent.
#[derive(Debug)]
pub(crate) struct Credential {
    /// The `Authorization` header.
    pub(crate) authorization: HeaderValue,
    /// It is renewed automatically.
    renewed: bool,
    rejected: Mutex<Option<Instant>>,
}

impl Credential {
    pub(super) fn new(authorization: HeaderValue, renewed: bool) -> Self {
        Self {
            authorization,
            renewed,
            rejected: Mutex::default(),
        }
    }

    /// Until when to wait for a newer token, now that this one was rejected.
    pub(super) fn patience(&self, now: Instant) -> Instant {
        if !self.renewed {
            return now;
        }
        *self.rejected.lock().get_or_insert(now) + GRACE
    }
}
