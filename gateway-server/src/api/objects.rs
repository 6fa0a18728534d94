//! `ClusterGateway` and its list as a client wants them: in full, as metadata only, or as a table.

use crds::cluster_core::{API_VERSION, ClusterGateway};
use serde::Serialize;

use super::{
    Answer,
    accept::ObjectFormat,
    rendering::{ListMetadata, PartialMetadata, Rendering, Served},
    table::Table,
};

/// Answer to a get.
pub(crate) fn single(gateway: &ClusterGateway, rendering: Rendering) -> Answer {
    Answer::json(&Single::new(gateway, rendering))
}

/// Answer to a list, in the order given.
pub(crate) fn list<'a>(
    gateways: impl IntoIterator<Item = &'a ClusterGateway>,
    metadata: ListMetadata<'_>,
    rendering: Rendering,
) -> Answer {
    let gateways = gateways.into_iter();
    match rendering.format {
        ObjectFormat::Json => Answer::json(&List {
            kind: "ClusterGatewayList",
            api_version: API_VERSION,
            metadata,
            items: gateways.map(Served::from).collect::<Vec<_>>(),
        }),
        ObjectFormat::Metadata(version) => Answer::json(&List {
            kind: "PartialObjectMetadataList",
            api_version: version.api_version(),
            metadata,
            items: gateways
                .map(|gateway| PartialMetadata::new(gateway, version))
                .collect(),
        }),
        ObjectFormat::Table(version) => {
            Answer::json(&Table::new(gateways, metadata, version, rendering))
        }
    }
}

/// One object, ready to encode.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Single<'a> {
    Full(Served<'a>),
    Metadata(PartialMetadata),
    Table(Table<'a>),
}

impl<'a> Single<'a> {
    pub(crate) fn new(gateway: &'a ClusterGateway, rendering: Rendering) -> Self {
        match rendering.format {
            ObjectFormat::Json => Self::Full(Served::from(gateway)),
            ObjectFormat::Metadata(version) => {
                Self::Metadata(PartialMetadata::new(gateway, version))
            }
            ObjectFormat::Table(version) => {
                let revision = gateway
                    .metadata
                    .resource_version
                    .as_deref()
                    .unwrap_or_default();
                let metadata = ListMetadata::whole(revision);
                Self::Table(Table::new([gateway], metadata, version, rendering))
            }
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

#[cfg(test)]
pub(crate) mod tests;
