//! The state of a breaker. It waits for nothing.
//!
//! ```text
//!            failures in a row
//!  closed ────────────────────► open ──(pause)──► one probe
//!    ▲                           ▲                   │ │
//!    │                           └─ failed: longer ──┘ │
//!    └──────────── a connection was made ──────────────┘
//! ```

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Open, Tripping};

/// The first pause before a probe; each further one is twice as long, up to the longest.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Failures count together if the first of them is not longer ago than this.
pub(super) const WITHIN: Duration = Duration::from_mins(1);

/// The state of a breaker.
#[derive(Debug, Default)]
pub(super) struct State {
    phase: Phase,
    /// How many probes have begun.
    probes: u64,
}

/// Tells one probe from the others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Probe(u64);

#[derive(Debug)]
enum Phase {
    /// Requests pass.
    Closed(Option<Row>),
    /// Requests are refused.
    Paused {
        open: Open,
        until: Instant,
        pause: Duration,
        /// The one that is under way.
        probe: Option<Probe>,
    },
}

/// Failures in a row.
#[derive(Debug)]
struct Row {
    count: u32,
    first: Instant,
    last: Open,
}

/// Whether a request may try to connect.
#[derive(Debug)]
pub(super) enum Admission {
    Passes,
    /// It may, alone.
    Probes(Probe),
    Refused(Open),
}

impl Default for Phase {
    fn default() -> Self {
        Self::Closed(None)
    }
}

impl State {
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match &mut self.phase {
            Phase::Closed(_) => Admission::Passes,
            Phase::Paused { until, probe, .. } if *until <= now && probe.is_none() => {
                self.probes += 1;
                Admission::Probes(*probe.insert(Probe(self.probes)))
            }
            Phase::Paused { open, .. } => Admission::Refused(open.clone()),
        }
    }

    pub(super) fn worked(&mut self) {
        self.phase = Phase::default();
    }

    /// The probe told nothing, so another one may begin.
    pub(super) fn gave_up(&mut self, gone: Probe) {
        if let Phase::Paused { probe, .. } = &mut self.phase
            && *probe == Some(gone)
        {
            *probe = None;
        }
    }

    pub(super) fn failed(
        &mut self,
        failure: Open,
        of: Option<Probe>,
        now: Instant,
        tripping: Tripping,
    ) {
        match &mut self.phase {
            Phase::Closed(row) => {
                let row = Row::after(row.take(), failure, now);
                self.phase = if row.count >= tripping.failures.get() {
                    Phase::paused(row.last, FIRST_PAUSE.min(tripping.longest_pause), now)
                } else {
                    Phase::Closed(Some(row))
                };
            }
            Phase::Paused {
                open, pause, probe, ..
            } if of.is_some() && *probe == of => {
                let pause = (*pause * 2).min(tripping.longest_pause);
                let since = open.since;
                self.phase = Phase::paused(Open { since, ..failure }, pause, now);
            }
            // It began before.
            Phase::Paused { .. } => {}
        }
    }
}

impl Phase {
    fn paused(open: Open, pause: Duration, now: Instant) -> Self {
        Self::Paused {
            open,
            until: now + pause,
            pause,
            probe: None,
        }
    }
}

impl Row {
    /// With one more failure. Many who wait for one attempt see the same one, which counts once.
    fn after(row: Option<Self>, failure: Open, now: Instant) -> Self {
        match row {
            Some(row) if now.saturating_duration_since(row.first) > WITHIN => {
                Self::first(failure, now)
            }
            Some(row) if Arc::ptr_eq(&row.last.error, &failure.error) => row,
            Some(row) => Self {
                count: row.count + 1,
                first: row.first,
                last: Open {
                    since: row.last.since,
                    ..failure
                },
            },
            None => Self::first(failure, now),
        }
    }

    fn first(failure: Open, now: Instant) -> Self {
        Self {
            count: 1,
            first: now,
            last: failure,
        }
    }
}

#[cfg(test)]
mod tests;
