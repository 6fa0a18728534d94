//! Events for people. They have the lowest priority: if the queue is full, an Event is dropped.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::{sync::mpsc, time::timeout};
use tracing::debug;

use crate::words::plain;

/// How many Events may wait to be written.
const WAITING: usize = 1024;
const DEADLINE: Duration = Duration::from_secs(10);
/// API servers accept notes of up to 1024 characters, and instances of up to 128.
const LONGEST_NOTE: usize = 900;
const LONGEST_INSTANCE: usize = 128;
/// The namespace of Events on objects that have no namespace.
const DEFAULT_NAMESPACE: &str = "default";

/// Something that the owner of an object may want to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// Whether the Event has the type Warning instead of Normal.
    pub is_warning: bool,
    /// The reason in one word.
    pub reason: &'static str,
    /// What happened.
    pub text: String,
}

/// Who reports Events.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// Name of the controller, qualified by its API group.
    pub controller: String,
    /// The process that reports.
    pub instance: String,
}

/// Accepts notes and queues their Events.
#[derive(Clone, Debug)]
pub struct Recorder {
    reporter: Reporter,
    queue: mpsc::Sender<Event>,
}

/// The queue is full, so the Event was dropped.
#[derive(Debug, thiserror::Error)]
#[error("{WAITING} Events wait to be written already")]
pub struct NoRoom;

/// An Event was not written. It is not tried again.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The API server refused it, or did not answer.
    #[error(transparent)]
    Call(#[from] kube::Error),
    /// The API server did not answer in time.
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Deadline,
}

impl Recorder {
    /// Returns the sender, and the receiver of the Events that the caller passes to [`write`].
    pub fn new(reporter: Reporter) -> (Self, mpsc::Receiver<Event>) {
        let (queue, events) = mpsc::channel(WAITING);
        (Self { reporter, queue }, events)
    }

    /// Queues an Event on an object.
    pub fn record(
        &self,
        regarding: ObjectReference,
        note: &Note,
        now: Timestamp,
    ) -> Result<(), NoRoom> {
        let event = self.reporter.event(regarding, note, now);
        self.queue.try_send(event).map_err(|_| NoRoom)
    }
}

impl Reporter {
    fn event(&self, regarding: ObjectReference, note: &Note, now: Timestamp) -> Event {
        let name = regarding.name.as_deref().unwrap_or_default();
        let namespace = regarding.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        let kind = if note.is_warning { "Warning" } else { "Normal" };
        let cut = |text: &str, longest: usize| plain(text).chars().take(longest).collect();
        Event {
            metadata: ObjectMeta {
                generate_name: Some(format!("{name}-")),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            action: Some(note.reason.to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(cut(&note.text, LONGEST_NOTE)),
            reason: Some(note.reason.to_owned()),
            regarding: Some(regarding),
            reporting_controller: Some(self.controller.clone()),
            reporting_instance: Some(cut(&self.instance, LONGEST_INSTANCE)),
            type_: Some(kind.to_owned()),
            ..Event::default()
        }
    }
}

/// Writes an Event once.
pub async fn write(client: Client, event: &Event) -> Result<(), WriteError> {
    let namespace = event.metadata.namespace.as_deref();
    let api: Api<Event> = Api::namespaced(client, namespace.unwrap_or(DEFAULT_NAMESPACE));
    let parameters = PostParams::default();
    let written = match timeout(DEADLINE, api.create(&parameters, event)).await {
        Ok(written) => written.map(drop).map_err(WriteError::Call),
        Err(_) => Err(WriteError::Deadline),
    };
    written
        .inspect_err(|error| debug!(namespace, reason = event.reason, %error, "Event not written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_beside_its_object_and_no_longer_than_an_api_server_takes() {
        let reporter = Reporter {
            controller: "example.com/controller".to_owned(),
            instance: "x".repeat(200),
        };
        let note = Note {
            is_warning: true,
            reason: "Refused",
            text: "é".repeat(2000),
        };
        let regarding = |namespace: Option<&str>| ObjectReference {
            name: Some("account".to_owned()),
            namespace: namespace.map(str::to_owned),
            ..ObjectReference::default()
        };
        let event = reporter.event(regarding(Some("managed1")), &note, Timestamp::UNIX_EPOCH);
        assert_eq!(event.metadata.generate_name.as_deref(), Some("account-"));
        assert_eq!(event.metadata.namespace.as_deref(), Some("managed1"));
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        assert_eq!(event.note.unwrap().chars().count(), LONGEST_NOTE);
        assert_eq!(event.reporting_instance.unwrap().len(), LONGEST_INSTANCE);
        let event = reporter.event(regarding(None), &note, Timestamp::UNIX_EPOCH);
        assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
    }
}
