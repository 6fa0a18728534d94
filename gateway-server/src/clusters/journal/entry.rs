//! One object as it was shown last. Pure.

use std::sync::Arc;

use super::change::{Change, Step};

/// An object as it was shown last.
#[derive(Debug)]
pub(super) struct Entry<O> {
    pub(super) revision: u64,
    pub(super) object: Arc<O>,
    /// When it was shown first.
    pub(super) born: Step,
    /// When it changed last.
    pub(super) changed: Step,
    pub(super) relabelled: Option<Relabelling<O>>,
}

/// The last change of an object's labels, which decide which watches select it.
#[derive(Debug)]
pub(super) struct Relabelling<O> {
    pub(super) step: Step,
    pub(super) before: Arc<O>,
}

impl<O> Entry<O> {
    /// The change as it looks to a watch that wants these steps and has seen all others.
    pub(super) fn change(&self, is_wanted: impl Fn(Step) -> bool) -> Change<O> {
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
