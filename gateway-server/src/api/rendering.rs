//! The parts that all documents about clusters share. Only the fields that are named here
//! ever leave the process.

use crds::cluster_core::API_VERSION;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::Serialize;

use super::{
    accept::{MetaVersion, ObjectFormat},
    kind::Kind,
    options::IncludeObject,
};

/// How to render objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rendering {
    pub(crate) format: ObjectFormat,
    /// What a row of a table carries beside its cells.
    pub(crate) include: IncludeObject,
    /// The time that ages are relative to.
    pub(crate) now: Timestamp,
}

/// Metadata of any kind of list.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListMetadata<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) resource_version: &'a str,
    /// The token for the rest of the list, and how many objects that is.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    pub(crate) rest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remaining_item_count: Option<usize>,
}

impl<'a> ListMetadata<'a> {
    /// That of a list that is whole.
    pub(crate) fn whole(resource_version: &'a str) -> Self {
        Self {
            resource_version,
            rest: None,
            remaining_item_count: None,
        }
    }
}

/// An object in full.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", bound = "")]
pub(crate) struct Served<'a, K: Kind> {
    kind: &'static str,
    api_version: &'static str,
    metadata: ObjectMeta,
    spec: &'a K::Spec,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a K::Status>,
}

impl<'a, K: Kind> From<&'a K> for Served<'a, K> {
    fn from(object: &'a K) -> Self {
        Self {
            kind: K::KIND,
            api_version: API_VERSION,
            metadata: metadata(object),
            spec: object.spec(),
            status: object.status(),
        }
    }
}

/// An object's metadata alone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartialMetadata {
    kind: &'static str,
    api_version: &'static str,
    metadata: ObjectMeta,
}

impl PartialMetadata {
    pub(crate) fn new(object: &impl Resource, version: MetaVersion) -> Self {
        Self {
            kind: "PartialObjectMetadata",
            api_version: version.api_version(),
            metadata: metadata(object),
        }
    }
}

/// The metadata that is served.
///
/// Annotations are not: a Secret written by `kubectl apply` repeats its data, token and key
/// included, in `kubectl.kubernetes.io/last-applied-configuration`.
fn metadata(object: &impl Resource) -> ObjectMeta {
    let metadata = object.meta();
    ObjectMeta {
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
        creation_timestamp: metadata.creation_timestamp.clone(),
        labels: metadata.labels.clone(),
        ..ObjectMeta::default()
    }
}
