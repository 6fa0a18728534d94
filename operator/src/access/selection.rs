//! Which clusters a grant is for.

use std::collections::BTreeMap;

use kube::core::{DynamicObject, SelectorExt as _};

use super::grant::Grant;
use crate::{
    kind::{Kind, ObjectKey},
    observed::Observed,
};

/// Label of a cluster: the set that it is in.
const SET_LABEL: &str = "cluster.open-cluster-management.io/clusterset";

static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

/// True where the grant is for the cluster.
pub(super) fn selects(observed: &Observed, grant: &Grant, cluster: &DynamicObject) -> bool {
    let clusters = &grant.object.spec.clusters;
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    if clusters.names.iter().any(|it| it == name) {
        return true;
    }
    let labels = cluster.metadata.labels.as_ref().unwrap_or(&NO_LABELS);
    if grant
        .selector
        .as_ref()
        .is_some_and(|selector| selector.matches(labels))
    {
        return true;
    }
    clusters.placements.iter().any(|placement| {
        observed.placed.has_chosen(placement, name)
            && is_bound(observed, &placement.namespace, cluster)
    })
}

/// True where a set of the cluster is bound to the namespace, which is what lets the namespace's people
/// have it.
fn is_bound(observed: &Observed, namespace: &str, cluster: &DynamicObject) -> bool {
    let bindings = observed.within(Kind::ManagedClusterSetBinding, namespace);
    let mut bound = bindings.filter(|(_, binding)| holds(binding));
    bound.any(|(_, binding)| {
        let set = binding.data["spec"]["clusterSet"]
            .as_str()
            .unwrap_or_default();
        is_in(observed, set, cluster)
    })
}

fn holds(binding: &DynamicObject) -> bool {
    let conditions = binding
        .data
        .get("status")
        .and_then(|it| it["conditions"].as_array());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|it| it["type"] == "Bound" && it["status"] == "True")
}

/// True where the cluster is in the set, by its label or by the set's selector.
fn is_in(observed: &Observed, set: &str, cluster: &DynamicObject) -> bool {
    let key = ObjectKey::global(Kind::ManagedClusterSet, set);
    let Some(object) = observed.object(&key) else {
        return false;
    };
    let labels = cluster.metadata.labels.clone().unwrap_or_default();
    let selector = &object.data["spec"]["clusterSelector"];
    if selector["selectorType"] != "LabelSelector" {
        return labels.get(SET_LABEL).is_some_and(|it| it == set);
    }
    let selector = serde_json::from_value::<
        k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector,
    >(selector["labelSelector"].clone());
    let selector = selector
        .ok()
        .and_then(|it| kube::core::Selector::try_from(it).ok());
    selector.is_some_and(|selector| selector.matches(&labels))
}
