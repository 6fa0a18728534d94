//! The interface between a watch of the hub and the part that uses its objects.

use std::fmt::Debug;

use kube::Resource;
use serde::de::DeserializeOwned;

/// Is told of all objects of a kind.
pub(crate) trait Follower {
    /// The kind.
    type Object: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static;
    /// Name of its objects in logs.
    const WHAT: &'static str;
    /// The follower also does without them, as if the hub did not have the kind. A role of an older
    /// release does not allow the gateway to read them.
    const IS_OPTIONAL: bool = false;

    /// These are all objects.
    fn reset(&self, objects: &[Self::Object]);
    /// The hub does not have this kind of object.
    fn has_no_kind(&self);
    /// One is new or changed.
    fn apply(&self, object: &Self::Object);
    /// One is gone.
    fn remove(&self, object: &Self::Object);
}
