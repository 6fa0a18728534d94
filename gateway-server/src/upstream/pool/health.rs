//! What a pool knows about its upstream. Pure.

use std::sync::Arc;

use jiff::Timestamp;

use crate::upstream::connect::ConnectError;

/// How the last attempt to connect went. While a connection is open, the upstream is good, whatever
/// happens to others beside it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Health {
    /// There was no attempt yet.
    #[default]
    Unknown,
    Good,
    Failing {
        error: Arc<ConnectError>,
        /// The first failure since the last success.
        since: Timestamp,
    },
}

/// What a pool knows about its upstream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sighting {
    pub(crate) health: Health,
    /// When the last attempt to connect ended.
    pub(crate) attempted: Option<Timestamp>,
    /// A connection is open now.
    pub(crate) is_open: bool,
}

impl Health {
    /// When the failures began, of which the latest is now.
    pub(super) fn failing_since(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Failing { since, .. } => *since,
            Self::Unknown | Self::Good => now,
        }
    }
}
