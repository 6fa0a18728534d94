//! The desired state of an object, and how it differs from the observed state.

use crds::addon;
use kube::core::DynamicObject;
use serde::Serialize;
use serde_json::Value;

use super::Seen;
use crate::{
    digest,
    kind::{Kind, ObjectKey},
    manifest::{self, Manifest},
    matching::{Path, differs},
    names::{APPLIED, MANAGED_BY, MANAGER},
};

/// The desired fields of an object, and its key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Desired {
    pub(crate) key: ObjectKey,
    /// The desired fields. In a work, a hash stands in place of the manifests, as in the observed
    /// state.
    pub(crate) body: Value,
    /// The manifests of a work.
    #[serde(skip)]
    manifests: Vec<Manifest>,
    /// The only version of the object that is written.
    #[serde(skip)]
    version: Option<String>,
    /// The object, if only its status is written.
    #[serde(skip)]
    pub(crate) of: Option<Seen>,
}

impl Desired {
    pub(crate) fn new(key: ObjectKey, body: Value) -> Self {
        Self {
            key,
            body,
            manifests: Vec::new(),
            version: None,
            of: None,
        }
    }

    /// The same, but only for this version of the object.
    pub(crate) fn at(mut self, object: &DynamicObject) -> Self {
        self.version.clone_from(&object.metadata.resource_version);
        self
    }

    /// The same, of this object.
    pub(super) fn of(mut self, object: Seen) -> Self {
        self.of = Some(object);
        self
    }

    /// The desired state of a work.
    pub(crate) fn work(key: ObjectKey, mut body: Value, manifests: Vec<Manifest>) -> Self {
        body["spec"]["workload"]["manifests"] = manifest::hash(&manifests).into();
        Self {
            key,
            body,
            manifests,
            version: None,
            of: None,
        }
    }

    /// The manifest that is sent to the API server.
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
        if let Some(version) = &self.version {
            body["metadata"]["resourceVersion"] = version.as_str().into();
        }
        if self.key.kind.is_namespaced() {
            body["metadata"]["namespace"] = self.key.namespace.as_str().into();
        }
        body
    }

    /// Adds the operator's label, and a hash of the desired state.
    pub(super) fn stamped(mut self) -> Self {
        self.body["metadata"]["labels"][MANAGED_BY] = MANAGER.into();
        let hash = digest::of(&self.body);
        self.body["metadata"]["annotations"][APPLIED] = hash.into();
        self
    }

    /// The path of the first desired field that the object does not have.
    pub(crate) fn difference(&self, have: &DynamicObject) -> Option<Path> {
        differs(have, &self.body)
    }
}
