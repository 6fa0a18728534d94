//! An object as it is wanted, and how it differs from one that is there.

use crds::addon;
use kube::core::DynamicObject;
use serde::Serialize;
use serde_json::Value;

use super::matching::difference;
use crate::{
    digest,
    kind::{Kind, ObjectKey},
    manifest::{self, Manifest},
    names::{APPLIED, MANAGED_BY, MANAGER},
};

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
    pub(super) fn stamped(mut self) -> Self {
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
