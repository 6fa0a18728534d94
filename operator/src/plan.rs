//! What is to be done, as data: writes in their order, words for people, and when to look again.

use crds::addon;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::DynamicObject;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    digest,
    kind::{Kind, ObjectKey},
    manifest::{self, Manifest},
    matching::{difference, holds},
    names::{APPLIED, MANAGED_BY, MANAGER},
    observed::Observed,
    pki::{Issue, Signature},
};

/// What is to be done about one key.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Plan {
    /// Writes, in this order; one that fails keeps those after it from being made.
    pub(crate) actions: Vec<Action>,
    /// Words for people, each said once.
    pub(crate) notes: Vec<Note>,
    /// When to look again, though nothing has changed.
    pub(crate) wake: Option<Timestamp>,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) enum Action {
    /// The object is to say this; fields of others stay.
    Apply(Desired),
    /// The same, of its status.
    ApplyStatus(Desired),
    /// A change to a state of the object that was seen.
    Patch {
        key: ObjectKey,
        resource_version: String,
        part: Part,
        patch: Value,
    },
    /// That object and no other of its name.
    Delete { key: ObjectKey, uid: String },
    /// The certificate request is granted.
    Approve { name: String, message: String },
    /// The certificate request, which is granted, gets its certificate.
    Sign { name: String, signature: Signature },
    /// A Secret of ours gets fresh keys.
    Issue { key: ObjectKey, issue: Issue },
}

/// Which part of an object is patched.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) enum Part {
    Object,
    Status,
}

/// An object, as far as it is wanted: everything but its kind and name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Desired {
    pub(crate) key: ObjectKey,
    /// Of a work, as it is kept: with a hash in place of its manifests.
    pub(crate) body: Value,
    /// Those of a work.
    #[serde(skip)]
    manifests: Vec<Manifest>,
}

/// Something that people may want to know about an object.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct Note {
    pub(crate) regarding: ObjectKey,
    pub(crate) uid: String,
    pub(crate) is_warning: bool,
    pub(crate) reason: &'static str,
    pub(crate) text: String,
}

impl Plan {
    /// Writes the object unless it says that already.
    pub(crate) fn want(&mut self, observed: &Observed, desired: Desired) {
        let desired = desired.stamped();
        let have = observed.object(&desired.key);
        if have.is_none_or(|have| desired.difference(have).is_some()) {
            self.actions.push(Action::Apply(desired));
        }
    }

    /// Writes the status unless the object says that already; nothing where there is no object.
    pub(crate) fn want_status(&mut self, observed: &Observed, desired: Desired) {
        let Some(have) = observed.object(&desired.key) else {
            return;
        };
        let status = have.data.get("status").unwrap_or(&Value::Null);
        if !holds(status, &desired.body["status"]) {
            self.actions.push(Action::ApplyStatus(desired));
        }
    }

    /// Deletes the object where it is there and ours.
    pub(crate) fn unwanted(&mut self, observed: &Observed, key: &ObjectKey) {
        let ours = observed.object(key).filter(|object| is_ours(object));
        if let Some(object) = ours.filter(|object| object.metadata.deletion_timestamp.is_none()) {
            self.actions.push(Action::Delete {
                key: key.clone(),
                uid: object.metadata.uid.clone().unwrap_or_default(),
            });
        }
    }

    /// Puts a finalizer on an object or takes it away; others' stay.
    pub(crate) fn hold(&mut self, key: &ObjectKey, object: &DynamicObject, name: &str, held: bool) {
        let has = object.metadata.finalizers.iter().flatten();
        let mut finalizers: Vec<_> = has.filter(|other| *other != name).cloned().collect();
        let is_held = object.metadata.finalizers.as_ref().map_or(0, Vec::len) > finalizers.len();
        if is_held == held {
            return;
        }
        if held {
            finalizers.push(name.to_owned());
        }
        self.actions.push(Action::Patch {
            key: key.clone(),
            resource_version: object.metadata.resource_version.clone().unwrap_or_default(),
            part: Part::Object,
            patch: json!({"metadata": {"finalizers": finalizers}}),
        });
    }

    /// Looks again then at the latest.
    pub(crate) fn wake_at(&mut self, time: Timestamp) {
        self.wake = Some(self.wake.map_or(time, |earlier| earlier.min(time)));
    }

    /// Tells people about an object.
    pub(crate) fn tell(
        &mut self,
        key: &ObjectKey,
        object: &DynamicObject,
        is_warning: bool,
        (reason, text): (&'static str, String),
    ) {
        self.notes.push(Note {
            regarding: key.clone(),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            is_warning,
            reason,
            text,
        });
    }
}

impl Desired {
    pub(crate) fn new(key: ObjectKey, body: Value) -> Self {
        Self {
            key,
            body,
            manifests: Vec::new(),
        }
    }

    /// A work.
    pub(crate) fn work(key: ObjectKey, mut body: Value, manifests: Vec<Manifest>) -> Self {
        body["spec"]["workload"]["manifests"] = manifest::hash(&manifests).into();
        Self {
            key,
            body,
            manifests,
        }
    }

    /// What the API server is sent.
    pub(crate) fn manifest(&self, addons: addon::Version) -> Value {
        let mut body = self.body.clone();
        if self.key.kind == Kind::ManifestWork {
            let manifests = self.manifests.iter().map(|it| it.object().clone());
            body["spec"]["workload"]["manifests"] = manifests.collect();
        }
        let resource = self.key.kind.resource(addons);
        body["apiVersion"] = resource.api_version.into();
        body["kind"] = resource.kind.into();
        body["metadata"]["name"] = self.key.name.as_str().into();
        if self.key.kind.is_namespaced() {
            body["metadata"]["namespace"] = self.key.namespace.as_str().into();
        }
        body
    }

    /// With our label, and a hash of what is wanted.
    fn stamped(mut self) -> Self {
        self.body["metadata"]["labels"][MANAGED_BY] = MANAGER.into();
        let hash = digest::of(&self.body);
        self.body["metadata"]["annotations"][APPLIED] = hash.into();
        self
    }

    /// The path of the first thing that the object does not say.
    pub(crate) fn difference(&self, have: &DynamicObject) -> Option<String> {
        let want = self.body.as_object()?;
        want.iter().find_map(|(field, want)| {
            let found = if field == "metadata" {
                let metadata = serde_json::to_value(&have.metadata).unwrap_or_default();
                difference(&metadata, want)
            } else {
                difference(have.data.get(field).unwrap_or(&Value::Null), want)
            };
            found.map(|rest| format!("{field}{rest}"))
        })
    }
}

impl Action {
    /// The kind of the object that is written.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Apply(desired) | Self::ApplyStatus(desired) => desired.key.kind,
            Self::Patch { key, .. } | Self::Delete { key, .. } | Self::Issue { key, .. } => {
                key.kind
            }
            Self::Approve { .. } | Self::Sign { .. } => Kind::CertificateSigningRequest,
        }
    }
}

/// True where the object has our label.
pub(crate) fn is_ours(object: &DynamicObject) -> bool {
    let labels = object.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get(MANAGED_BY))
        .is_some_and(|by| by == MANAGER)
}

/// A condition that keeps its time for as long as its status stays.
pub(crate) fn condition(
    before: &[Condition],
    (kind, status): (&str, bool),
    reason: &str,
    message: &str,
    now: Timestamp,
) -> Value {
    let status = if status { "True" } else { "False" };
    let same = before
        .iter()
        .find(|condition| condition.type_ == kind && condition.status == status);
    let since = same.map_or(now, |condition| condition.last_transition_time.0);
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": format!("{since:.0}"),
    })
}

/// The key of an add-on's row on a cluster.
pub(crate) fn row_key(cluster: &str, addon: &str) -> ObjectKey {
    ObjectKey::new(Kind::ManagedClusterAddOn, cluster, addon)
}
