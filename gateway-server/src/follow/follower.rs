//! What whoever follows a kind of object of the hub is told.

use std::fmt::Debug;

use kube::Resource;
use serde::de::DeserializeOwned;

/// Who wants to know of all objects of a kind.
pub(crate) trait Follower {
    /// The kind.
    type Object: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static;
    /// What to call its objects in a log.
    const WHAT: &'static str;

    /// These are all that there are.
    fn reset(&self, objects: &[Self::Object]);
    /// The hub has none, not even a name for them.
    fn has_no_kind(&self);
    /// One is new or changed.
    fn apply(&self, object: &Self::Object);
    /// One is gone.
    fn remove(&self, object: &Self::Object);
}
