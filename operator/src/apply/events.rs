//! Events, in words for people. They come after everything else: one that finds no room is dropped.

use std::{collections::BTreeMap, time::Duration};

use crds::addon;
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
use tracing::{debug, warn};

use crate::{key::Key, names::MANAGER, plan::Note};

/// Events that wait to be written.
const WAITING: usize = 1024;
const DEADLINE: Duration = Duration::from_secs(10);
const LONGEST_NOTE: usize = 900;

/// Where notes go in.
#[derive(Debug)]
pub(crate) struct Notes {
    queue: mpsc::Sender<Event>,
    instance: String,
    addons: addon::Version,
    /// What the last plan of each key had to say, so that what it goes on saying is told once.
    told: BTreeMap<Key, Vec<Note>>,
}

impl Notes {
    /// The queue, and its other end for [`write`].
    pub(crate) fn new(instance: &str, addons: addon::Version) -> (Self, mpsc::Receiver<Event>) {
        let (queue, events) = mpsc::channel(WAITING);
        let notes = Self {
            queue,
            instance: instance.to_owned(),
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
        if self.queue.try_send(self.event(note, now)).is_err() {
            debug!(reason, "no room for an Event");
        }
    }

    fn event(&self, note: &Note, now: Timestamp) -> Event {
        let key = &note.regarding;
        let resource = key.kind.resource(self.addons);
        let namespace = if key.kind.is_namespaced() {
            key.namespace.as_str()
        } else {
            "default"
        };
        Event {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}-", key.name)),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            action: Some(note.reason.to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(note.text.chars().take(LONGEST_NOTE).collect()),
            reason: Some(note.reason.to_owned()),
            regarding: Some(ObjectReference {
                api_version: Some(resource.api_version),
                kind: Some(resource.kind),
                name: Some(key.name.clone()),
                namespace: key.kind.is_namespaced().then(|| key.namespace.clone()),
                uid: Some(note.uid.clone()),
                ..ObjectReference::default()
            }),
            reporting_controller: Some(format!("{}/{MANAGER}", crds::gateway::GROUP)),
            reporting_instance: Some(self.instance.chars().take(128).collect()),
            type_: Some("Warning".to_owned()),
            ..Event::default()
        }
    }
}

/// Writes Events for as long as there is somebody to send some.
pub(crate) async fn write(mut events: mpsc::Receiver<Event>, client: Client) {
    while let Some(event) = events.recv().await {
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
        let fault = match timeout(DEADLINE, api.create(&PostParams::default(), &event)).await {
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(late) => late.to_string(),
        };
        debug!(reason = event.reason, fault, "Event not written");
    }
}
