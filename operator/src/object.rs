//! Reads what objects of all kinds have in common.

use jiff::Timestamp;
use kube::core::DynamicObject;
use serde::{Serialize, de::DeserializeOwned};

use crate::names::{MANAGED_BY, MANAGER};

/// Which part of an object is written.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) enum Part {
    Object,
    Status,
}

/// True if the object has the operator's label.
pub(crate) fn is_ours(object: &DynamicObject) -> bool {
    let labels = object.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get(MANAGED_BY))
        .is_some_and(|by| by == MANAGER)
}

/// Since when the object is being deleted.
pub(crate) fn deleting(object: &DynamicObject) -> Option<Timestamp> {
    let deleted = object.metadata.deletion_timestamp.as_ref();
    deleted.map(|time| time.0)
}

/// A part of an object. `None` if it is absent or invalid.
pub(crate) fn part<T: DeserializeOwned>(object: &DynamicObject, name: &str) -> Option<T> {
    T::deserialize(object.data.get(name)?).ok()
}

/// True if the object is a later state than the known one, or a new object of the same name.
pub(crate) fn supersedes(object: &DynamicObject, known: &DynamicObject) -> bool {
    let version = |object: &DynamicObject| {
        let version = object.metadata.resource_version.as_ref()?;
        version.parse::<u64>().ok()
    };
    match (version(object), version(known)) {
        (Some(own), Some(other)) => object.metadata.uid != known.metadata.uid || own > other,
        _ => true,
    }
}
