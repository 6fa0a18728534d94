//! Which clusters a grant selects.

use std::collections::BTreeMap;

use crds::cluster::{ClusterSetBindingSpec, ClusterSetBindingStatus, ClusterSetSpec};
use kube::core::DynamicObject;

use crate::{
    grant::Grant,
    kind::{Kind, ObjectKey},
    object::part,
    observed::Observed,
};

static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

/// True if the grant selects the cluster.
pub(super) fn selects(observed: &Observed, grant: &Grant, cluster: &DynamicObject) -> bool {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let labels = cluster.metadata.labels.as_ref().unwrap_or(&NO_LABELS);
    grant.choice.chooses(name, labels, |placement| {
        observed.placed.has_chosen(placement, name)
            && is_bound(observed, &placement.namespace, labels)
    })
}

/// True if one of the cluster's sets is bound to the namespace. Such a binding lets users of the
/// namespace use the clusters of the set.
fn is_bound(observed: &Observed, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
    let mut bindings = observed.within(Kind::ManagedClusterSetBinding, namespace);
    bindings.any(|(_, binding)| {
        let status: ClusterSetBindingStatus = part(binding, "status").unwrap_or_default();
        let spec: ClusterSetBindingSpec = part(binding, "spec").unwrap_or_default();
        let key = ObjectKey::global(Kind::ManagedClusterSet, &spec.cluster_set);
        let set = observed
            .object(&key)
            .map(|set| part::<ClusterSetSpec>(set, "spec").unwrap_or_default());
        status.is_bound() && set.is_some_and(|set| set.holds(&spec.cluster_set, labels))
    })
}
