//! Publishes the notes of plans as Events on the hub. A note that successive plans repeat is
//! published once.

use std::collections::BTreeMap;

use crds::addon;
use jiff::Timestamp;
use k8s_openapi::api::{core::v1::ObjectReference, events::v1::Event};
use kube::Client;
use kubernetes::events::{self, Recorder, Reporter};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::{key::Key, names::MANAGER, plan::Note};

/// Accepts notes and queues their Events.
#[derive(Debug)]
pub(crate) struct Notes {
    recorder: Recorder,
    addons: addon::Version,
    /// The notes of the last plan of each key, so that a repeated note is published once.
    told: BTreeMap<Key, Vec<Note>>,
}

impl Notes {
    /// Returns the sender, and the receiver that [`write`] takes.
    pub(crate) fn new(instance: &str, addons: addon::Version) -> (Self, mpsc::Receiver<Event>) {
        let (recorder, events) = Recorder::new(Reporter {
            controller: format!("{}/{MANAGER}", crds::gateway::GROUP),
            instance: instance.to_owned(),
        });
        let notes = Self {
            recorder,
            addons,
            told: BTreeMap::new(),
        };
        (notes, events)
    }

    /// Publishes the notes of a plan that the plan before it did not have.
    pub(crate) fn tell(&mut self, key: &Key, notes: Vec<Note>, now: Timestamp) {
        let before = self.told.remove(key).unwrap_or_default();
        for note in notes.iter().filter(|note| !before.contains(note)) {
            self.tell_one(note, now);
        }
        if !notes.is_empty() {
            self.told.insert(key.clone(), notes);
        }
    }

    /// Publishes a note that belongs to no plan.
    pub(crate) fn tell_one(&self, note: &Note, now: Timestamp) {
        let (object, reason, text) = (&note.regarding, note.reason, &note.text);
        if note.is_warning {
            warn!(%object, reason, "{text}");
        } else {
            info!(%object, reason, "{text}");
        }
        let event = events::Note {
            is_warning: note.is_warning,
            reason,
            text: text.clone(),
        };
        if let Err(error) = self.recorder.record(self.regarding(note), &event, now) {
            debug!(reason, %error, "cannot queue the Event");
        }
    }

    fn regarding(&self, note: &Note) -> ObjectReference {
        let key = &note.regarding;
        let resource = key.kind.resource(self.addons);
        ObjectReference {
            api_version: Some(resource.api_version),
            kind: Some(resource.kind),
            name: Some(key.name.clone()),
            namespace: key.kind.is_namespaced().then(|| key.namespace.clone()),
            uid: Some(note.uid.clone()),
            ..ObjectReference::default()
        }
    }
}

/// Writes Events until every sender is gone.
pub(crate) async fn write(mut events: mpsc::Receiver<Event>, client: Client) {
    while let Some(event) = events.recv().await {
        // A note is in the log too, so losing its Event is acceptable.
        let _ = events::write(client.clone(), &event).await;
    }
}
