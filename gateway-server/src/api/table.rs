//! `meta.k8s.io` `Table`: what `kubectl get` prints.

use serde::Serialize;

use super::{
    accept::MetaVersion,
    kind::{Column, Kind},
    options::IncludeObject,
    rendering::{ListMetadata, PartialMetadata, Rendering, Served},
};

/// A table of objects, ready to encode.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase", bound = "")]
pub(crate) struct Table<'a, K: Kind> {
    kind: &'static str,
    api_version: &'static str,
    metadata: ListMetadata<'a>,
    column_definitions: &'static [Column],
    rows: Vec<Row<'a, K>>,
}

impl<'a, K: Kind> Table<'a, K> {
    pub(crate) fn new(
        objects: impl IntoIterator<Item = &'a K>,
        metadata: ListMetadata<'a>,
        version: MetaVersion,
        rendering: Rendering,
    ) -> Self {
        let row = |object: &'a K| Row {
            cells: object.cells(rendering.now),
            object: match rendering.include {
                IncludeObject::None => None,
                IncludeObject::Metadata => {
                    Some(RowObject::Metadata(PartialMetadata::new(object, version)))
                }
                IncludeObject::Object => Some(RowObject::Object(object.into())),
            },
        };
        Self {
            kind: "Table",
            api_version: version.api_version(),
            metadata,
            column_definitions: K::COLUMNS,
            rows: objects.into_iter().map(row).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(bound = "")]
struct Row<'a, K: Kind> {
    cells: K::Cells,
    object: Option<RowObject<'a, K>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged, bound = "")]
enum RowObject<'a, K: Kind> {
    Metadata(PartialMetadata),
    Object(Served<'a, K>),
}
