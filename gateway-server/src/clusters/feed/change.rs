//! Changes of what is shown, as watches are told of them. Pure.

use std::sync::Arc;

use crds::cluster_core::ClusterGateway;
use tokio::time::Instant;

use super::gone::Went;

/// A change, as the hub and this replica number it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) revision: u64,
    pub(super) position: u64,
    /// When it came here; `None` for what was there at the start.
    pub(super) at: Option<Instant>,
}

/// Which clusters of those that went are told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Births {
    /// All, for somebody who may have known them from elsewhere.
    Any,
    /// Those that were shown at this position already.
    UpTo(u64),
}

/// A change of one cluster: how it was shown before, and how it is.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) before: Option<Arc<ClusterGateway>>,
    pub(crate) after: Option<Arc<ClusterGateway>>,
}

/// Changes up to a position.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) all: Vec<Change>,
    pub(crate) position: u64,
    pub(crate) revision: u64,
}

/// All clusters at one revision, in the order of their names.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) revision: u64,
    pub(crate) position: u64,
    pub(crate) objects: Vec<Arc<ClusterGateway>>,
}

/// What one replica tells another one that has just come.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The revision after which it knows of everything that went; `None` if it has just come itself.
    pub(crate) oldest: Option<u64>,
    pub(crate) gone: Vec<Went>,
}

/// No watch can go on from there.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unknown {
    /// There were too many changes since, or no replica was there then.
    #[error(
        "too old resource version: {asked}; the changes after {oldest} are known: list clustergateways again, \
         and watch from the resourceVersion of that list"
    )]
    TooOld { asked: u64, oldest: u64 },
    /// The hub has not come to that yet.
    #[error("too large resource version: {asked}, current: {newest}")]
    TooNew { asked: u64, newest: u64 },
}
