//! Changes of what is shown, as watches report them. Pure.

use std::sync::Arc;

use crds::cluster_core::ClusterGateway;
use tokio::time::Instant;

/// When a change happened, as the hub and as this replica count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) revision: u64,
    pub(super) position: u64,
    /// When it came here; `None` if it was there at the start.
    pub(super) at: Option<Instant>,
}

/// Which removed clusters a watch is told of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Births {
    /// All, because the watch may have seen them at another replica.
    Any,
    /// Those that were first shown at this position or before.
    UpTo(u64),
}

/// A change of one object: how it was shown before, and how it is shown now.
#[derive(Clone, Debug)]
pub(crate) struct Change<O = ClusterGateway> {
    pub(crate) revision: u64,
    pub(crate) before: Option<Arc<O>>,
    pub(crate) after: Option<Arc<O>>,
}

/// Changes up to a position.
#[derive(Clone, Debug)]
pub(crate) struct Changes<O = ClusterGateway> {
    pub(crate) all: Vec<Change<O>>,
    pub(crate) position: u64,
    pub(crate) revision: u64,
}

/// All objects at one revision, in the order of their names.
#[derive(Clone, Debug)]
pub(crate) struct Listed<O = ClusterGateway> {
    pub(crate) revision: u64,
    pub(crate) position: u64,
    pub(crate) objects: Vec<Arc<O>>,
}

/// Why a watch cannot continue from a revision.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unknown {
    /// There were too many changes since then, or no replica was running then.
    #[error(
        "too old resource version: {asked}; the changes after {oldest} are known: list again, and \
         watch from the resourceVersion of that list"
    )]
    TooOld { asked: u64, oldest: u64 },
    /// The hub has not reached this revision yet.
    #[error("too large resource version: {asked}, current: {newest}")]
    TooNew { asked: u64, newest: u64 },
}
