//! Handles the outcome of plans: new states of objects, faults, and when to look again.

use std::time::Duration;

use crds::gateway::SINGLETON;
use jiff::Timestamp;
use tokio::time::Instant;
use tracing::warn;

use super::{Engine, contest::said};
use crate::{
    apply::{Outcome, WriteError},
    key::Key,
    kind::{Kind, ObjectKey},
    matching::Path,
    metrics::Ended,
    observed::{CallId, Fault},
    plan::{Action, Note, other_owner},
};

/// The reason of the fault if somebody else changes the objects of a key back.
const CONTESTED: &str = "Contested";
/// The reason of the Event if the hub changes what the operator writes.
const CHANGED: &str = "ChangedByAdmission";

/// The result of carrying out a plan, up to its end or its first failure.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) key: Key,
    pub(super) call: CallId,
    pub(super) begun: Instant,
    pub(super) wake: Option<Timestamp>,
    /// The writes of the plan. There is an outcome of each that was made.
    pub(super) actions: Vec<Action>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) error: Option<WriteError>,
}

impl Engine {
    pub(super) fn finish(&mut self, done: Done) {
        let Done {
            key,
            call,
            begun,
            wake,
            actions,
            outcomes,
            error,
        } = done;
        let now = (self.clock)();
        for (outcome, action) in outcomes.into_iter().zip(&actions) {
            let touched = match outcome {
                Outcome::Is(kind, object) => {
                    let written = said(action);
                    let field = written.and_then(|(desired, part)| {
                        let place = (&desired.key, part);
                        self.observed.learn(place, &desired.body, &object)
                    });
                    if let Some(field) = field {
                        self.say_changed(&key, action.object(), &field, now);
                    }
                    self.observed.answer(kind, *object, now)
                }
                Outcome::Gone { key, uid } => self.observed.ended(&key, &uid, now).then_some(key),
                Outcome::Unknown => None,
            };
            if let Some(touched) = touched {
                self.touch(&touched);
            }
        }
        self.observed.tombstones.end(call);
        let (ended, took) = match error {
            None => (Ended::Written, begun.elapsed()),
            Some(_) => (Ended::Failed, begun.elapsed()),
        };
        self.metrics.reconciled(&key, ended, took, now);
        match error {
            // Plans once more, to see that nothing is left to do.
            None => {
                match key {
                    Key::Status => self.touch_status(now),
                    Key::Hub | Key::Cluster(_) | Key::Access(_) | Key::Grant(_) => {
                        self.queue.touch(&key, now);
                    }
                }
                self.queue.done(&key, wake);
            }
            Some(error) => self.fail(&key, error, now),
        }
    }

    /// Handles a plan that left nothing to write.
    pub(super) fn settled(
        &mut self,
        key: &Key,
        wake: Option<Timestamp>,
        took: Duration,
        now: Timestamp,
    ) {
        self.metrics.reconciled(key, Ended::Unchanged, took, now);
        // Nothing is left to write between two writes of somebody else either.
        let contested = self
            .observed
            .faults
            .get(key)
            .filter(|it| it.reason == CONTESTED);
        let lasts = contested.and_then(|_| self.contests.lasts(key, now));
        if *key == Key::Hub {
            // The hub is planned at least once a minute, so old contests are forgotten that
            // often.
            self.contests.forget_old(now);
            self.observed.end_disputes(|key| self.contests.has(key));
        }
        self.queue.done(key, wake.into_iter().chain(lasts).min());
        if lasts.is_none() && self.observed.faults.remove(key).is_some() {
            self.touch_fault(key, now);
        }
    }

    /// Records that somebody else changes the object back each time.
    pub(super) fn contested(&mut self, key: &Key, action: &Action, now: Timestamp) {
        let (Action::Apply(desired) | Action::ApplyStatus(desired)) = action else {
            return;
        };
        let object = self.observed.object(&desired.key);
        let field = object.and_then(|have| desired.clone().difference(have));
        let owner = object
            .zip(field.as_ref())
            .and_then(|(object, field)| other_owner(object, field));
        let who = owner.unwrap_or("another client");
        let field = field.map_or_else(|| "the object".to_owned(), |field| field.to_string());
        let message = format!(
            "{}: {who} reverts {field} every time the operator writes it; let only one of them manage it",
            desired.key,
        );
        let fault = Fault {
            object: desired.key.clone(),
            reason: CONTESTED,
            message,
            since: now,
        };
        self.note_fault(key, fault);
    }

    /// Says that the hub stored something else than the operator wrote.
    fn say_changed(&mut self, key: &Key, object: &ObjectKey, field: &Path, now: Timestamp) {
        let regarding = match key {
            Key::Hub | Key::Status => ObjectKey::global(Kind::GatewayConfiguration, SINGLETON),
            Key::Cluster(name) | Key::Access(name) => ObjectKey::global(Kind::ManagedCluster, name),
            Key::Grant(name) => ObjectKey::global(Kind::AccessGrant, name),
        };
        let known = self.observed.object(&regarding);
        let uid = known.and_then(|it| it.metadata.uid.clone());
        let note = Note {
            regarding,
            uid: uid.unwrap_or_default(),
            is_warning: false,
            reason: CHANGED,
            text: format!(
                "the hub stored another {field} of {object} than the operator wrote, as an admission webhook makes \
                 it; the operator leaves it so"
            ),
        };
        self.wires.notes.tell_one(&note, now);
    }

    fn fail(&mut self, key: &Key, error: WriteError, now: Timestamp) {
        self.queue.failed(key, error.retry_after, now);
        let WriteError {
            object,
            reason,
            message,
            ..
        } = error;
        // After a conflict the observed state is outdated, and the watch brings the next one.
        if reason != "Conflict" {
            let fault = Fault {
                object,
                reason,
                message,
                since: now,
            };
            self.note_fault(key, fault);
        }
    }

    fn note_fault(&mut self, key: &Key, mut fault: Fault) {
        let now = fault.since;
        let before = self.observed.faults.get(key);
        if before.is_some_and(|before| before.message == fault.message) {
            return;
        }
        warn!(?key, reason = fault.reason, "{}", fault.message);
        fault.since = before.map_or(now, |before| before.since);
        self.observed.faults.insert(key.clone(), fault);
        self.touch_fault(key, now);
    }

    /// Plans the key whose status reports the faults of this key.
    fn touch_fault(&mut self, key: &Key, now: Timestamp) {
        self.touch_status(now);
        if let Key::Access(cluster) = key {
            self.touch_grants_of(cluster, now);
        }
    }
}
