//! Whether a managed cluster is tried at all. One that cannot be connected to again and again is left
//! alone for a moment: who asks meanwhile is told so at once, instead of waiting for one more attempt
//! that fails. What is decided is in [`state`](self::state); here is what requests hold.

mod state;

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use kubernetes::clock::now;
use parking_lot::Mutex;
use tokio::time::Instant;

use self::state::{Admission, Probe, State};
use crate::upstream::ConnectError;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tripping {
    /// After so many failures in a row.
    pub failures: NonZeroU32,
    /// The longest pause between two probes.
    pub longest_pause: Duration,
}

/// The breaker of one managed cluster.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// Whether the last attempt worked. Then nobody looks any further.
    is_troubled: AtomicBool,
    state: Mutex<State>,
}

/// The cluster is not tried now.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error} (failing since {since:.0}); it is not tried again for a moment")]
pub(crate) struct Open {
    /// The last failure.
    pub(crate) error: Arc<ConnectError>,
    /// When the failures in a row began.
    pub(crate) since: Timestamp,
}

/// An attempt to connect. If it is dropped without an outcome, it has told nothing.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    breaker: &'a Breaker,
    tripping: Tripping,
    probe: Option<Probe>,
}

impl Breaker {
    /// Whether there may be an attempt. `looks_well` says whether something is known that speaks for
    /// it; it is asked only if the breaker is open.
    pub(crate) fn attempt(
        &self,
        tripping: Tripping,
        looks_well: impl FnOnce() -> bool,
    ) -> Result<Attempt<'_>, Open> {
        let attempt = |probe| Attempt {
            breaker: self,
            tripping,
            probe,
        };
        if !self.is_troubled.load(Ordering::Relaxed) {
            return Ok(attempt(None));
        }
        let mut state = self.state.lock();
        match state.admit(Instant::now()) {
            Admission::Passes => Ok(attempt(None)),
            Admission::Probes(probe) => Ok(attempt(Some(probe))),
            Admission::Refused(open) => {
                drop(state);
                if looks_well() {
                    Ok(attempt(None))
                } else {
                    Err(open)
                }
            }
        }
    }
}

impl Attempt<'_> {
    /// There is a connection.
    pub(crate) fn worked(mut self) {
        self.probe = None;
        if self.breaker.is_troubled.load(Ordering::Relaxed) {
            let mut state = self.breaker.state.lock();
            state.worked();
            self.breaker.is_troubled.store(false, Ordering::Relaxed);
        }
    }

    /// There is none. A failure that is no outage counts as no attempt.
    pub(crate) fn failed(mut self, error: &Arc<ConnectError>) {
        if !error.is_outage() {
            return;
        }
        let probe = self.probe.take();
        let failure = Open {
            error: Arc::clone(error),
            since: now(),
        };
        let mut state = self.breaker.state.lock();
        state.failed(failure, probe, Instant::now(), self.tripping);
        self.breaker.is_troubled.store(true, Ordering::Relaxed);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(probe) = self.probe {
            self.breaker.state.lock().gave_up(probe);
        }
    }
}

#[cfg(test)]
mod tests;
