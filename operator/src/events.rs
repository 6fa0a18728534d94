//! Events, in words for people. They come after everything else: one that finds no room is dropped.

use std::{collections::BTreeSet, time::Duration};

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
use tracing::{debug, info, warn};

use crate::{names::MANAGER, plan::Note};

/// Events that wait to be written.
const WAITING: usize = 1024;
/// Notes that are remembered, so that each is told once.
const REMEMBERED: usize = 16_384;
const DEADLINE: Duration = Duration::from_secs(10);
const LONGEST_NOTE: usize = 900;

/// Where notes go in.
#[derive(Debug)]
pub(crate) struct Notes {
    queue: mpsc::Sender<Event>,
    instance: String,
    addons: addon::Version,
    told: BTreeSet<Note>,
}

impl Notes {
    /// The queue, and its other end for [`write`].
    pub(crate) fn new(instance: &str, addons: addon::Version) -> (Self, mpsc::Receiver<Event>) {
        let (queue, events) = mpsc::channel(WAITING);
        let notes = Self {
            queue,
            instance: instance.to_owned(),
            addons,
            told: BTreeSet::new(),
        };
        (notes, events)
    }

    /// Logs it and puts it on the object, unless that was done before.
    pub(crate) fn tell(&mut self, note: Note, now: Timestamp) {
        if self.told.contains(&note) {
            return;
        }
        let Note {
            regarding,
            is_warning,
            reason,
            text,
            ..
        } = &note;
        if *is_warning {
            warn!(object = %regarding, reason, "{text}");
        } else {
            info!(object = %regarding, reason, "{text}");
        }
        if self.queue.try_send(self.event(&note, now)).is_err() {
            debug!(reason, "no room for an Event");
        }
        if self.told.len() >= REMEMBERED {
            self.told.clear();
        }
        self.told.insert(note);
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
            type_: Some(if note.is_warning { "Warning" } else { "Normal" }.to_owned()),
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
