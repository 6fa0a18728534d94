//! What is read of any object, whatever its kind.

use kube::core::DynamicObject;
use serde::de::DeserializeOwned;

use crate::names::{MANAGED_BY, MANAGER};

/// True where the object has our label.
pub(crate) fn is_ours(object: &DynamicObject) -> bool {
    let labels = object.metadata.labels.as_ref();
    labels
        .and_then(|labels| labels.get(MANAGED_BY))
        .is_some_and(|by| by == MANAGER)
}

/// A part of an object; none where it is absent or makes no sense.
pub(crate) fn part<T: DeserializeOwned>(object: &DynamicObject, name: &str) -> Option<T> {
    T::deserialize(object.data.get(name)?).ok()
}

/// True if the object is a later state than the one that is known, or another object of its name.
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
