//! The record of one request, from its head to the end of its answer. Whoever carries the request on
//! holds it: its answer, or its upgraded connection. When the last of them lets go, it is complete.

use std::sync::Arc;

use http::StatusCode;
use kubernetes::words::plain;
use parking_lot::Mutex;

use super::{
    Trail,
    event::{Event, Facts, Outcome},
    policy::Omitted,
};
use crate::acting::Acting;

/// A request that is not complete.
#[derive(Debug)]
pub(crate) struct Pending {
    trail: Arc<Trail>,
    facts: Arc<Facts>,
    omitted: Omitted,
    /// Its answer may take long.
    lasts: bool,
    outcome: Mutex<Outcome>,
}

impl Pending {
    pub(super) fn new(trail: Arc<Trail>, facts: Facts, omitted: Omitted, lasts: bool) -> Self {
        Self {
            trail,
            facts: Arc::new(facts),
            omitted,
            lasts,
            outcome: Mutex::default(),
        }
    }

    /// The identity that the request acts as on the managed cluster.
    pub(crate) fn acts_as(&self, acting: &Acting) {
        self.outcome.lock().acting = Some(acting.clone());
    }

    /// The answer begins, with this status, and this message if it is a refusal of the gateway.
    pub(crate) fn answered(&self, code: StatusCode, refusal: Option<&str>) {
        let mut outcome = self.outcome.lock();
        outcome.code = Some(code);
        outcome.refusal = refusal.map(plain);
        if self.lasts && !self.omitted.started {
            let outcome = outcome.clone();
            self.record("ResponseStarted", outcome);
        }
    }

    fn record(&self, stage: &'static str, outcome: Outcome) {
        self.trail.queue.offer(Event {
            facts: Arc::clone(&self.facts),
            outcome,
            stage,
            at: (self.trail.clock)(),
        });
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.omitted.complete {
            let outcome = std::mem::take(self.outcome.get_mut());
            self.record("ResponseComplete", outcome);
        }
    }
}
