//! The caller of a request.

use std::collections::BTreeMap;

/// A caller, as the hub authenticated it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}
