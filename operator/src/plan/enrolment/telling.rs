//! Words for people about a cluster, on the object that they describe: its `ManagedCluster`, or the row
//! of the add-on if the cluster is detached. Pure.

use kube::core::DynamicObject;

use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    observed::Observed,
    plan::{Plan, row_key},
};

/// Tells people about a cluster.
pub(super) fn tell(
    observed: &Observed,
    cluster: &str,
    reason: &'static str,
    text: &str,
    plan: &mut Plan,
) {
    if let Some((key, object)) = described(observed, cluster) {
        plan.tell(&key, object, reason, text.to_owned());
    }
}

/// Warns people about a cluster.
pub(super) fn warn(
    observed: &Observed,
    cluster: &str,
    reason: &'static str,
    text: &str,
    plan: &mut Plan,
) {
    if let Some((key, object)) = described(observed, cluster) {
        plan.warn(&key, object, reason, text.to_owned());
    }
}

fn described<'a>(observed: &'a Observed, cluster: &str) -> Option<(ObjectKey, &'a DynamicObject)> {
    let row = row_key(cluster, Addon::Gateway);
    let keys = [ObjectKey::global(Kind::ManagedCluster, cluster), row];
    keys.into_iter().find_map(|key| {
        let object = observed.object(&key)?;
        Some((key, object))
    })
}
