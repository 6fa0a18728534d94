//! Events on accounts, for their owners. They have the lowest priority: if the queue is full, an
//! Event is counted and dropped.

use crds::authentication::GROUP;
use jiff::Timestamp;
use k8s_openapi::api::{core::v1::ObjectReference, events::v1::Event};
use kube::Client;
use kubernetes::events::{self, Note, Recorder, Reporter};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::{
    apply::MANAGER,
    fleet::Report,
    metrics::Metrics,
    outcome::Outcome,
    plan::{Action, Remains},
};

/// Accepts notes and queues their Events.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    recorder: Recorder,
    cluster: String,
    metrics: Metrics,
}

#[expect(clippy::too_many_lines, reason = "one arm per Event")]
/// The note for some work that is done, if it is worth an Event. A failure that continues is not.
pub(crate) fn note(action: &Action, outcome: &Outcome, report: &Report<'_>) -> Option<Note> {
    let normal = |reason, text: String| {
        Some(Note {
            is_warning: false,
            reason,
            text,
        })
    };
    let warning = |reason, text: String| {
        Some(Note {
            is_warning: true,
            reason,
            text,
        })
    };
    let Report { before, after, .. } = report;
    match (action, outcome) {
        (_, Outcome::Failed(refusal)) if report.is_new_failure && refusal.reason != "Conflict" => {
            warning(refusal.reason, refusal.message.clone())
        }
        (Action::WriteSecret(content), Outcome::Written { token, .. }) => {
            let expires = format!("expires {:.0}", token.claims.expires);
            match (before.is_first_write_of(token), &content.replaces) {
                (false, _) => normal(
                    "SecretRepaired",
                    "restored the Secret and kept its token".to_owned(),
                ),
                (true, None) => normal(
                    "TokenIssued",
                    format!("wrote a token to the Secret; it {expires}"),
                ),
                (true, Some(_)) => normal(
                    "TokenRefreshed",
                    format!("wrote a new token to the Secret; it {expires}"),
                ),
            }
        }
        (_, Outcome::Reviewed { good: false, .. }) => warning(
            "TokenRejected",
            "the managed cluster rejects the token in the Secret; replacing it".to_owned(),
        ),
        (Action::DeleteServiceAccount { .. }, Outcome::ServiceAccountGone) => normal(
            "TokenRevoked",
            "deleted its ServiceAccount on the managed cluster; its tokens no longer work"
                .to_owned(),
        ),
        (Action::DeleteAccount, Outcome::Account(_) | Outcome::AccountGone) => normal(
            "Expired",
            "deleted it because its ttlSecondsAfterCreation has passed".to_owned(),
        ),
        (
            Action::RemoveFinalizer {
                token: Remains::Abandoned,
            },
            Outcome::Account(_) | Outcome::AccountGone,
        ) => {
            let failure = after.memory.failures.values().next();
            let why = failure.map_or("the managed cluster cannot be reached", |failure| {
                &failure.message
            });
            let text = format!(
                "the account is deleted before its token is revoked ({why}); the token is revoked when the \
                 managed cluster can be reached again"
            );
            warning("TokenAbandoned", text)
        }
        _ => None,
    }
}

impl Notes {
    /// Returns the sender, and the receiver that [`write`] takes.
    pub(crate) fn new(cluster: &str, metrics: Metrics) -> (Self, mpsc::Receiver<Event>) {
        let (recorder, events) = Recorder::new(Reporter {
            controller: format!("{GROUP}/{MANAGER}"),
            instance: format!("{MANAGER}-{cluster}"),
        });
        let notes = Self {
            recorder,
            cluster: cluster.to_owned(),
            metrics,
        };
        (notes, events)
    }

    /// Logs the note, and queues an Event on the account.
    pub(crate) fn tell(&self, name: &str, uid: Option<&str>, note: &Note, now: Timestamp) {
        let Note {
            is_warning,
            reason,
            text,
        } = note;
        if *is_warning {
            warn!(cluster = %self.cluster, account = name, reason, "{text}");
        } else {
            info!(cluster = %self.cluster, account = name, reason, "{text}");
        }
        let Some(uid) = uid else {
            return;
        };
        let account = ObjectReference {
            api_version: Some(format!("{GROUP}/v1beta1")),
            kind: Some("ManagedServiceAccount".to_owned()),
            name: Some(name.to_owned()),
            namespace: Some(self.cluster.clone()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        if self.recorder.record(account, note, now).is_err() {
            self.metrics.dropped_events.inc();
        }
    }
}

/// Writes Events until every sender is gone.
pub(crate) async fn write(
    mut events: mpsc::Receiver<Event>,
    hub: watch::Receiver<Client>,
    metrics: Metrics,
) {
    while let Some(event) = events.recv().await {
        let client = hub.borrow().clone();
        metrics.called("hub", "create_event");
        if events::write(client, &event).await.is_err() {
            metrics.dropped_events.inc();
        }
    }
}
