//! Which clusters a grant selects. A cluster that a placement drops keeps the grant for a moment,
//! because Open Cluster Management may only be moving it to another decision.

use std::collections::BTreeMap;

use crds::cluster::{ClusterSetBindingSpec, ClusterSetBindingStatus, ClusterSetSpec};
use jiff::Timestamp;
use kube::core::DynamicObject;

use crate::{
    grant::Grant,
    kind::{Kind, ObjectKey},
    object::part,
    observed::Observed,
};

static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

/// True if the grant selects the cluster, or still holds there.
pub(super) fn is_selected(
    observed: &Observed,
    grant: &Grant,
    cluster: &DynamicObject,
    now: Timestamp,
) -> bool {
    selects(observed, grant, cluster)
        || lasts(observed, grant, cluster, now).is_some()
        || is_kept(observed, grant, cluster)
}

/// True if the cluster carries the grant, and nobody can tell whether the grant still selects it,
/// because its selector is invalid.
fn is_kept(observed: &Observed, grant: &Grant, cluster: &DynamicObject) -> bool {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let carries = || {
        let mut works = observed.shipped_to(name);
        works.any(|(_, work)| {
            let held = work.grants.get(grant.name());
            held.is_some_and(|it| it.uid == grant.uid() && !it.has_ended)
        })
    };
    grant.choice.fault().is_some() && carries()
}

/// Until when a grant holds on a cluster that none of its placements selects at the moment. It does
/// so only if the cluster carries it as it is now: a grant that was changed is judged anew.
pub(super) fn lasts(
    observed: &Observed,
    grant: &Grant,
    cluster: &DynamicObject,
    now: Timestamp,
) -> Option<Timestamp> {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let labels = cluster.metadata.labels.as_ref().unwrap_or(&NO_LABELS);
    let placements = grant.object.spec.clusters.placements.iter();
    let lasting = placements.filter_map(|placement| {
        let until = observed.placed.lasts(placement, name, now)?;
        is_bound(observed, &placement.namespace, labels).then_some(until)
    });
    let until = lasting.max()?;
    let mut works = observed.shipped_to(name);
    let carries = works.any(|(_, work)| {
        work.grants
            .get(grant.name())
            .is_some_and(|it| it.is_of(grant))
    });
    carries.then_some(until)
}

/// True if the grant selects the cluster now.
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
