//! One cluster as it was shown last. Pure.

use std::sync::{Arc, Weak};

use crds::cluster_core::ClusterGateway;

use super::change::{Change, Step};
use crate::clusters::{cluster::Cluster, health::LiveState};

/// A cluster as it was shown last.
#[derive(Debug)]
pub(super) struct Entry {
    /// Weak, because the connections of a cluster end when it is dropped.
    pub(super) of: Weak<Cluster>,
    pub(super) revision: u64,
    pub(super) state: LiveState,
    pub(super) object: Arc<ClusterGateway>,
    /// When it was shown first.
    pub(super) born: Step,
    /// When it changed last.
    pub(super) changed: Step,
    pub(super) relabelled: Option<Relabelling>,
}

/// The last change of a cluster's labels, which decide which watches select it.
#[derive(Debug)]
pub(super) struct Relabelling {
    pub(super) step: Step,
    pub(super) before: Arc<ClusterGateway>,
}

impl Entry {
    /// The change as it looks to a watch that wants these steps and has seen all others.
    pub(super) fn change(&self, is_wanted: impl Fn(Step) -> bool) -> Change {
        let before = match &self.relabelled {
            _ if is_wanted(self.born) => None,
            Some(Relabelling { step, before }) if is_wanted(*step) => Some(before),
            _ => Some(&self.object),
        };
        Change {
            revision: self.revision,
            before: before.cloned(),
            after: Some(Arc::clone(&self.object)),
        }
    }
}
