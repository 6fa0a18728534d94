//! A plan as data: ordered writes, notes for people, and when to look again. [`hub`],
//! [`enrolment`], [`access`] and [`status`] make the plans of one kind of key each, and are pure.

pub(crate) mod access;
mod by_key;
mod condition;
mod desired;
pub(crate) mod enrolment;
pub(crate) mod entrance;
mod hub;
mod hub_id;
mod identity;
mod owner;
pub(crate) mod pki;
mod status;

use jiff::Timestamp;
use kube::core::DynamicObject;
use serde::Serialize;
use serde_json::{Value, json};

use self::pki::{Issue, Signature};
pub(crate) use self::{
    by_key::by_key, condition::Finding, desired::Desired, hub_id::hub_id, owner::other_owner,
};
pub(crate) use crate::object::Part;
use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    object::is_ours,
    observed::Observed,
};

/// What to do about one key.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Plan {
    /// The writes in order. If one fails, those after it are not made.
    pub(crate) actions: Vec<Action>,
    /// Notes for people. Each is published once.
    pub(crate) notes: Vec<Note>,
    /// When to look again, even if nothing has changed.
    pub(crate) wake: Option<Timestamp>,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) enum Action {
    /// Applies these fields of the object. Fields of other managers stay.
    Apply(Desired),
    /// Applies these fields of the object's status.
    ApplyStatus(Desired),
    /// Patches an object, provided that it still has the state that was observed.
    Patch {
        object: Seen,
        part: Part,
        patch: Value,
    },
    /// Deletes this object, but no later one of the same name.
    Delete { key: ObjectKey, uid: String },
    /// Approves the certificate request.
    Approve { request: Seen, message: String },
    /// Issues the certificate of an approved certificate request.
    Sign { request: Seen, signature: Signature },
    /// Writes fresh keys or certificates to one of the operator's Secrets.
    Issue { key: ObjectKey, issue: Issue },
}

/// An object in the state that was observed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Seen {
    pub(crate) key: ObjectKey,
    pub(crate) uid: String,
    pub(crate) resource_version: String,
}

/// Whether to add or remove a finalizer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hold {
    Keep,
    Release,
}

/// Words for people about an object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Note {
    pub(crate) regarding: ObjectKey,
    pub(crate) uid: String,
    pub(crate) is_warning: bool,
    pub(crate) reason: &'static str,
    pub(crate) text: String,
}

impl Plan {
    /// Applies the object, unless it has the wanted fields already.
    pub(crate) fn want(&mut self, observed: &Observed, desired: Desired) {
        let desired = desired.stamped();
        let have = observed.object(&desired.key);
        if have.is_none_or(|have| {
            !observed.is_written((&desired.key, Part::Object), &desired.body, have)
        }) {
            self.actions.push(Action::Apply(desired));
        }
    }

    /// Applies the status, unless the object has it already. Does nothing if the object does not
    /// exist.
    pub(crate) fn want_status(&mut self, observed: &Observed, desired: Desired) {
        let Some(have) = observed.object(&desired.key) else {
            return;
        };
        if !observed.is_written((&desired.key, Part::Status), &desired.body, have) {
            let of = Seen::of(&desired.key, have);
            self.actions.push(Action::ApplyStatus(desired.of(of)));
        }
    }

    /// Deletes the object if it exists and is the operator's.
    pub(crate) fn unwanted(&mut self, observed: &Observed, key: &ObjectKey) {
        let ours = observed.object(key).filter(|object| is_ours(object));
        if let Some(object) = ours.filter(|object| object.metadata.deletion_timestamp.is_none()) {
            self.actions.push(Action::Delete {
                key: key.clone(),
                uid: object.metadata.uid.clone().unwrap_or_default(),
            });
        }
    }

    /// Adds or removes one finalizer. The finalizers of others stay.
    pub(crate) fn hold(&mut self, key: &ObjectKey, object: &DynamicObject, name: &str, hold: Hold) {
        let has = object.metadata.finalizers.iter().flatten();
        let mut finalizers: Vec<_> = has.filter(|other| *other != name).cloned().collect();
        let is_held = object.metadata.finalizers.as_ref().map_or(0, Vec::len) > finalizers.len();
        match hold {
            Hold::Keep if is_held => return,
            Hold::Keep => finalizers.push(name.to_owned()),
            Hold::Release if is_held => {}
            Hold::Release => return,
        }
        self.actions.push(Action::Patch {
            object: Seen::of(key, object),
            part: Part::Object,
            patch: json!({"metadata": {"finalizers": finalizers}}),
        });
    }

    /// Looks again at this time at the latest.
    pub(crate) fn wake_at(&mut self, time: Timestamp) {
        self.wake = Some(self.wake.map_or(time, |earlier| earlier.min(time)));
    }

    /// Warns people about an object.
    pub(crate) fn warn(
        &mut self,
        key: &ObjectKey,
        object: &DynamicObject,
        reason: &'static str,
        text: String,
    ) {
        let mut note = Note::of(key, object, reason, text);
        note.is_warning = true;
        self.notes.push(note);
    }

    /// Tells people about an object.
    pub(crate) fn tell(
        &mut self,
        key: &ObjectKey,
        object: &DynamicObject,
        reason: &'static str,
        text: String,
    ) {
        self.notes.push(Note::of(key, object, reason, text));
    }
}

impl Note {
    fn of(key: &ObjectKey, object: &DynamicObject, reason: &'static str, text: String) -> Self {
        Self {
            regarding: key.clone(),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            is_warning: false,
            reason,
            text,
        }
    }
}

impl Seen {
    fn of(key: &ObjectKey, object: &DynamicObject) -> Self {
        let metadata = &object.metadata;
        Self {
            key: key.clone(),
            uid: metadata.uid.clone().unwrap_or_default(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
        }
    }

    /// The metadata by which the API server refuses a write to any other version.
    pub(crate) fn metadata(&self) -> Value {
        json!({"uid": self.uid, "resourceVersion": self.resource_version})
    }
}

impl Action {
    /// The object that is written.
    pub(crate) fn object(&self) -> &ObjectKey {
        match self {
            Self::Apply(desired) | Self::ApplyStatus(desired) => &desired.key,
            Self::Patch { object, .. } => &object.key,
            Self::Delete { key, .. } | Self::Issue { key, .. } => key,
            Self::Approve { request, .. } | Self::Sign { request, .. } => &request.key,
        }
    }

    /// The kind of the object that is written.
    pub(crate) fn kind(&self) -> Kind {
        self.object().kind
    }
}

/// The key of a cluster's `ManagedClusterAddOn` for an add-on.
pub(crate) fn row_key(cluster: &str, addon: Addon) -> ObjectKey {
    ObjectKey::new(Kind::ManagedClusterAddOn, cluster, addon.name())
}
