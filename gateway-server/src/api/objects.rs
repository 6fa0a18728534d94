//! `ClusterGateway` and its list as a client wants them: in full, as metadata only, or as a table.
//! Whatever the caller hands in, only the fields named here leave the process.

use crds::cluster_core::{API_VERSION, ClusterGateway, ClusterGatewaySpec, ClusterGatewayStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use super::{
    Answer,
    accept::{MetaVersion, ObjectFormat},
    options::IncludeObject,
    table::Table,
};

pub(super) const KIND: &str = "ClusterGateway";

/// How objects are to be rendered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rendering {
    pub(crate) format: ObjectFormat,
    /// What a row of a table carries beside its cells.
    pub(crate) include: IncludeObject,
    /// The time that ages are told from.
    pub(crate) now: Timestamp,
}

/// Answer to a get.
pub(crate) fn single(gateway: &ClusterGateway, rendering: Rendering) -> Answer {
    Answer::json(&Single::new(gateway, rendering))
}

/// Answer to a list, in the order given; `resource_version` is that of the whole snapshot.
///
/// Lists are never cut: `limit` is a client's wish, and without `continue` the list is complete.
pub(crate) fn list<'a>(
    gateways: impl IntoIterator<Item = &'a ClusterGateway>,
    resource_version: &str,
    rendering: Rendering,
) -> Answer {
    let gateways = gateways.into_iter();
    match rendering.format {
        ObjectFormat::Json => Answer::json(&List {
            kind: "ClusterGatewayList",
            api_version: API_VERSION,
            metadata: ListMetadata { resource_version },
            items: gateways.map(Served::from).collect::<Vec<_>>(),
        }),
        ObjectFormat::Metadata(version) => Answer::json(&List {
            kind: "PartialObjectMetadataList",
            api_version: version.api_version(),
            metadata: ListMetadata { resource_version },
            items: gateways
                .map(|gateway| PartialMetadata::new(gateway, version))
                .collect(),
        }),
        ObjectFormat::Table(version) => {
            Answer::json(&Table::new(gateways, resource_version, version, rendering))
        }
    }
}

/// One object, ready to encode.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Single<'a> {
    Full(Served<'a>),
    Metadata(PartialMetadata),
    Table(Table<'a>),
}

impl<'a> Single<'a> {
    pub(super) fn new(gateway: &'a ClusterGateway, rendering: Rendering) -> Self {
        match rendering.format {
            ObjectFormat::Json => Self::Full(Served::from(gateway)),
            ObjectFormat::Metadata(version) => {
                Self::Metadata(PartialMetadata::new(gateway, version))
            }
            ObjectFormat::Table(version) => {
                let own = gateway.metadata.resource_version.as_deref();
                let own = own.unwrap_or_default();
                Self::Table(Table::new([gateway], own, version, rendering))
            }
        }
    }
}

/// Metadata of any kind of list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListMetadata<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) resource_version: &'a str,
}

/// An object in full.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Served<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: ObjectMeta,
    spec: &'a ClusterGatewaySpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a ClusterGatewayStatus>,
}

impl<'a> From<&'a ClusterGateway> for Served<'a> {
    fn from(gateway: &'a ClusterGateway) -> Self {
        Self {
            kind: KIND,
            api_version: API_VERSION,
            metadata: metadata(gateway),
            spec: &gateway.spec,
            status: gateway.status.as_ref(),
        }
    }
}

/// An object's metadata alone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartialMetadata {
    kind: &'static str,
    api_version: &'static str,
    metadata: ObjectMeta,
}

impl PartialMetadata {
    pub(super) fn new(gateway: &ClusterGateway, version: MetaVersion) -> Self {
        Self {
            kind: "PartialObjectMetadata",
            api_version: version.api_version(),
            metadata: metadata(gateway),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a, T> {
    kind: &'static str,
    api_version: &'static str,
    metadata: ListMetadata<'a>,
    items: Vec<T>,
}

/// The metadata that is served.
///
/// Annotations are not: a Secret written by `kubectl apply` repeats its data, token and key
/// included, in `kubectl.kubernetes.io/last-applied-configuration`.
fn metadata(gateway: &ClusterGateway) -> ObjectMeta {
    let metadata = &gateway.metadata;
    ObjectMeta {
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
        creation_timestamp: metadata.creation_timestamp.clone(),
        labels: metadata.labels.clone(),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
pub(crate) mod tests;
