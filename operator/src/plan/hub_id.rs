//! What tells this hub from all others on a cluster that has several. Pure.

use crate::{
    digest,
    kind::{Kind, ObjectKey},
    observed::Observed,
};

/// Digits that only this hub has, because nobody chooses the UID of a namespace.
pub(crate) fn hub_id(observed: &Observed) -> Option<String> {
    let system = ObjectKey::global(Kind::Namespace, "kube-system");
    let uid = observed.object(&system)?.metadata.uid.as_ref()?;
    Some(digest::digits(uid.as_bytes()))
}
