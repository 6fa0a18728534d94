//! What plans have to say, as Events on the hub: each thing once, for as long as plans go on saying it.

use std::collections::BTreeMap;

use crds::addon;
use jiff::Timestamp;
use k8s_openapi::api::{core::v1::ObjectReference, events::v1::Event};
use kube::Client;
use kubernetes::events::{self, Recorder, Reporter};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use crate::{key::Key, names::MANAGER, plan::Note};

/// Where notes go in.
#[derive(Debug)]
pub(crate) struct Notes {
    recorder: Recorder,
    addons: addon::Version,
    /// What the last plan of each key had to say, so that what it goes on saying is told once.
    told: BTreeMap<Key, Vec<Note>>,
}

impl Notes {
    /// The queue, and its other end for [`write`].
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

    /// Tells what a plan says and the one before it did not.
    pub(crate) fn tell(&mut self, key: &Key, notes: Vec<Note>, now: Timestamp) {
        let before = self.told.remove(key).unwrap_or_default();
        for note in notes.iter().filter(|note| !before.contains(note)) {
            self.tell_one(note, now);
        }
        if !notes.is_empty() {
            self.told.insert(key.clone(), notes);
        }
    }

    fn tell_one(&self, note: &Note, now: Timestamp) {
        let (object, reason, text) = (&note.regarding, note.reason, &note.text);
        warn!(%object, reason, "{text}");
        let event = events::Note {
            is_warning: true,
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

/// Writes Events for as long as there is somebody to send some.
pub(crate) async fn write(mut events: mpsc::Receiver<Event>, client: Client) {
    while let Some(event) = events.recv().await {
        // One that is not written is in the log already, and there.
        let _ = events::write(client.clone(), &event).await;
    }
}
