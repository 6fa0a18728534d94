//! Why there is no place on a connection.

use std::sync::Arc;

use jiff::Timestamp;

use crate::upstream::connect::ConnectError;

/// How often a request may find its new connection gone before it gives up. A connection that other
/// waiting requests have filled does not count, because another one is opened, as long as more are
/// allowed.
pub(super) const ATTEMPTS: usize = 4;

/// Why there is no place on a connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum PoolError {
    /// A new connection was needed and failed.
    #[error("{error} (failing since {since:.0})")]
    Connect {
        error: Arc<ConnectError>,
        /// The first failure since the last success.
        since: Timestamp,
    },
    /// All connections that are allowed are full.
    #[error("all {connections} connections to the managed cluster are full")]
    Exhausted { connections: usize },
    /// New connections close as soon as they are open.
    #[error("{ATTEMPTS} new connections in a row closed before they could be used")]
    Unstable,
}
