//! The driver: it feeds changes, time and outcomes into the fleet, and carries out the fleet's work
//! for a bounded number of accounts at once.

use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::Client;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    apply::{Hands, Work},
    events::{Notes, note},
    fleet::{Fleet, Report},
    kind::{ByKind, Kind},
    metrics::Metrics,
    outcome::Outcome,
    plan::{Action, Remains},
    seen::{Seen, Site},
    watch::{self as watches, Change},
};
use crate::spoke::Spoke;

/// How many accounts are worked on at once. Each needs a connection to both API servers, which
/// stays open for a while and takes most of a small agent's memory.
const AT_ONCE: usize = 16;
/// No sleep is longer than this, because clocks are set now and then.
const LONGEST_SLEEP: Duration = Duration::from_secs(15);
/// How long work in progress may take after the process was told to stop.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// The driver and its state.
pub(crate) struct Engine {
    pub(crate) fleet: Fleet,
    pub(crate) hub: watch::Receiver<Client>,
    pub(crate) spoke: watch::Receiver<Spoke>,
    pub(crate) notes: Notes,
    pub(crate) metrics: Metrics,
    pub(crate) clock: fn() -> Timestamp,
    pub(crate) faults: Faults,
    /// Reports whether both API servers can be watched.
    pub(crate) working: watch::Sender<bool>,
}

/// What each watch fails with now. It is logged once.
pub(crate) type Faults = ByKind<Option<String>>;

impl Engine {
    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let cluster = self.fleet.site.cluster.clone();
        let namespace = self.fleet.site.namespace.clone();
        let (mut hub, mut spoke) = (self.hub.clone(), self.spoke.clone());
        self.fleet.site.authority = spoke.borrow_and_update().authority.clone();
        let hub_client = hub.borrow_and_update().clone();
        let mut of_hub = watches::of_hub(&hub_client, &cluster);
        let mut of_spoke = watches::of_spoke(&spoke.borrow().client, &namespace);
        let mut calls = JoinSet::new();
        loop {
            self.begin(&mut calls);
            let pause = self.pause();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(change) = of_hub.next() => self.observe(change),
                Some(change) = of_spoke.next() => self.observe(change),
                Some(Ok((work, outcome))) = calls.join_next() => self.finish(&work, &outcome),
                Ok(()) = hub.changed() => {
                    info!(cluster, "the hub credentials have changed; restarting the watches");
                    of_hub = watches::of_hub(&hub.borrow_and_update(), &cluster);
                }
                Ok(()) = spoke.changed() => {
                    self.fleet.site.authority = spoke.borrow_and_update().authority.clone();
                    of_spoke = watches::of_spoke(&spoke.borrow().client, &namespace);
                    self.fleet.touch_all();
                }
                () = sleep(pause) => {}
            }
        }
        let last = async { while calls.join_next().await.is_some() {} };
        let _ = timeout(LAST_CALLS, last).await;
    }

    /// Starts as many calls as are allowed at once.
    fn begin(&mut self, calls: &mut JoinSet<(Work, Outcome)>) {
        while calls.len() < AT_ONCE {
            let Some(work) = self.fleet.next((self.clock)()) else {
                self.metrics.show(self.fleet.seen());
                return;
            };
            let Site {
                cluster,
                namespace,
                owner,
                authority,
                ..
            } = &self.fleet.site;
            let hands = Hands {
                hub: self.hub.borrow().clone(),
                spoke: self.spoke.borrow().client.clone(),
                cluster: cluster.clone(),
                namespace: namespace.clone(),
                owner: owner.clone(),
                authority: authority.clone(),
                metrics: self.metrics.clone(),
                clock: self.clock,
            };
            calls.spawn(async move {
                let outcome = hands.perform(&work).await;
                (work, outcome)
            });
        }
    }

    fn pause(&self) -> Duration {
        let Some(wake) = self.fleet.next_wake() else {
            return LONGEST_SLEEP;
        };
        let left = wake.duration_since((self.clock)());
        // A timer may fire a moment early.
        let left = Duration::try_from(left).unwrap_or_default() + Duration::from_millis(1);
        left.min(LONGEST_SLEEP)
    }

    fn observe(&mut self, change: Change) {
        let kind = change.kind();
        let known = &mut self.faults[kind];
        if let Change::Fault(_, fault) = &change {
            self.metrics.failed("WatchBroken");
            if known.as_ref() != Some(fault) {
                let cluster = &self.fleet.site.cluster;
                let what = kind.plural();
                warn!(%cluster, %fault, "cannot watch {what}; existing tokens are kept");
                *known = Some(fault.clone());
            }
        } else if change.is_answer() {
            *known = None;
        }
        self.fleet.observe(change, (self.clock)());
        let faultless = Kind::ALL.iter().all(|kind| self.faults[*kind].is_none());
        let works = faultless && self.fleet.site.is_listed();
        self.working.send_if_modified(|working| {
            let changed = *working != works;
            *working = works;
            changed
        });
    }

    fn finish(&mut self, work: &Work, outcome: &Outcome) {
        let now = (self.clock)();
        let uid = work
            .account
            .as_ref()
            .map(|account| account.version.uid.clone());
        let step = work.action.step();
        let report = self.fleet.finish(&work.name, step, outcome.clone(), now);
        let Some(report) = report else {
            return;
        };
        self.metrics.count(&work.action, outcome, &report);
        if let Some(told) = note(&work.action, outcome, &report) {
            self.notes.tell(&work.name, uid.as_deref(), &told, now);
        }
    }
}

impl Metrics {
    fn count(&self, action: &Action, outcome: &Outcome, report: &Report<'_>) {
        match (action, outcome) {
            (_, Outcome::Failed(refusal)) => self.failed(refusal.reason),
            (_, Outcome::Written { token, .. }) if report.before.is_first_write_of(token) => {
                self.issued.inc();
            }
            (Action::DeleteServiceAccount { .. }, Outcome::ServiceAccountGone) => {
                self.revoked.inc();
            }
            (
                Action::RemoveFinalizer {
                    token: Remains::Abandoned,
                },
                Outcome::AccountGone | Outcome::Account(_),
            ) => {
                self.abandoned.inc();
            }
            _ => {}
        }
    }

    /// Updates the gauges from the current accounts.
    fn show<'a>(&self, seen: impl Iterator<Item = &'a Seen>) {
        let (mut accounts, mut expiry, mut issue) = (0, i64::MAX, i64::MAX);
        for seen in seen.filter(|seen| seen.account.is_some()) {
            accounts += 1;
            let claims = seen
                .secret
                .as_ref()
                .and_then(|secret| secret.claims.as_ref());
            if let Some(claims) = claims {
                expiry = expiry.min(claims.expires.as_second());
                issue = issue.min(claims.issued.as_second());
            }
        }
        let or_none = |second| if second == i64::MAX { 0 } else { second };
        self.accounts.set(accounts);
        self.earliest_expiry.set(or_none(expiry));
        self.oldest_issue.set(or_none(issue));
    }
}

#[cfg(test)]
mod tests;
