//! What a kind of object needs to be listed, watched and shown as a table.

use std::fmt;

use jiff::Timestamp;
use kube::Resource;
use serde::Serialize;

/// A kind of object that the gateway computes.
pub(crate) trait Kind:
    Resource<DynamicType = ()> + Clone + fmt::Debug + PartialEq + Send + Sync + 'static
{
    /// Name of the resource, in the plural.
    const RESOURCE: &'static str;
    /// Name of the kind.
    const KIND: &'static str;
    /// Name of the kind of its lists.
    const LIST: &'static str;
    /// What tables show.
    const COLUMNS: &'static [Column];

    type Spec: fmt::Debug + Serialize;
    type Status: fmt::Debug + Serialize;
    /// One cell for each column.
    type Cells: fmt::Debug + Serialize;

    fn spec(&self) -> &Self::Spec;

    fn status(&self) -> Option<&Self::Status>;

    fn cells(&self, now: Timestamp) -> Self::Cells;

    /// Where lists have it, the smallest first. Objects of one rank are in the order of their names.
    fn rank(&self) -> i64 {
        0
    }
}

/// The name of an object.
pub(crate) fn name_of(object: &impl Resource) -> &str {
    object.meta().name.as_deref().unwrap_or_default()
}

/// A column of a table.
#[derive(Debug, Serialize)]
pub(crate) struct Column {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    format: &'static str,
    description: &'static str,
    /// 0: always shown; more: only by `-o wide`.
    priority: u8,
}

impl Column {
    pub(super) const fn new(
        name: &'static str,
        format: &'static str,
        description: &'static str,
    ) -> Self {
        Self {
            name,
            kind: "string",
            format,
            description,
            priority: 0,
        }
    }

    /// A column that only `-o wide` shows.
    pub(super) const fn wide(name: &'static str, description: &'static str, priority: u8) -> Self {
        Self {
            priority,
            ..Self::new(name, "", description)
        }
    }

    /// A column of times.
    pub(super) const fn of_times(self) -> Self {
        Self {
            kind: "dateTime",
            ..self
        }
    }
}
