//! One object and a list of them as a client wants them: in full, as metadata only, or as a table.

use crds::cluster_core::API_VERSION;
use serde::Serialize;

use super::{
    Answer,
    accept::ObjectFormat,
    kind::Kind,
    rendering::{ListMetadata, PartialMetadata, Rendering, Served},
    table::Table,
};

/// Answer to a get.
pub(crate) fn single<K: Kind>(object: &K, rendering: Rendering) -> Answer {
    Answer::json(&Single::new(object, rendering))
}

/// Answer to a list, in the order given.
pub(crate) fn list<'a, K: Kind>(
    objects: impl IntoIterator<Item = &'a K>,
    metadata: ListMetadata<'a>,
    rendering: Rendering,
) -> Answer {
    let objects = objects.into_iter();
    match rendering.format {
        ObjectFormat::Json => Answer::json(&List {
            kind: K::LIST,
            api_version: API_VERSION,
            metadata,
            items: objects.map(Served::from).collect::<Vec<_>>(),
        }),
        ObjectFormat::Metadata(version) => Answer::json(&List {
            kind: "PartialObjectMetadataList",
            api_version: version.api_version(),
            metadata,
            items: objects
                .map(|object| PartialMetadata::new(object, version))
                .collect(),
        }),
        ObjectFormat::Table(version) => {
            Answer::json(&Table::new(objects, metadata, version, rendering))
        }
    }
}

/// One object, ready to encode.
#[derive(Debug, Serialize)]
#[serde(untagged, bound = "")]
pub(crate) enum Single<'a, K: Kind> {
    Full(Served<'a, K>),
    Metadata(PartialMetadata),
    Table(Table<'a, K>),
}

impl<'a, K: Kind> Single<'a, K> {
    pub(crate) fn new(object: &'a K, rendering: Rendering) -> Self {
        match rendering.format {
            ObjectFormat::Json => Self::Full(Served::from(object)),
            ObjectFormat::Metadata(version) => {
                Self::Metadata(PartialMetadata::new(object, version))
            }
            ObjectFormat::Table(version) => {
                let revision = object.meta().resource_version.as_deref();
                let metadata = ListMetadata::whole(revision.unwrap_or_default());
                Self::Table(Table::new([object], metadata, version, rendering))
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
