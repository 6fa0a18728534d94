//! Which clusters the configuration selects.

use crds::{addon::NO_INSTALL, gateway::Clusters};
use kube::core::{DynamicObject, Selector, SelectorExt as _};

use super::namespace::refusal;
use crate::{
    kind::{Kind, ObjectKey},
    observed::Observed,
};

/// True if the hub has accepted the cluster, the configuration selects it, and its namespace is its
/// own.
pub(crate) fn is_selected(observed: &Observed, cluster: &str) -> bool {
    is_chosen(observed, cluster) && refusal(observed, cluster).is_none()
}

/// True if the hub has accepted the cluster and the configuration selects it.
pub(crate) fn is_chosen(observed: &Observed, cluster: &str) -> bool {
    let key = ObjectKey::global(Kind::ManagedCluster, cluster);
    let Some(object) = observed.object(&key) else {
        return false;
    };
    let Some(configuration) = observed.configuration().filter(|it| !it.is_deleting) else {
        return false;
    };
    let is_accepted = object.data["spec"]["hubAcceptsClient"] == true;
    let annotations = object.metadata.annotations.as_ref();
    let declines = annotations
        .and_then(|all| all.get(NO_INSTALL))
        .is_some_and(|it| it == "true");
    let stays = object.metadata.deletion_timestamp.is_none();
    is_accepted && !declines && stays && chooses(observed, &configuration.spec.clusters, object)
}

fn chooses(observed: &Observed, clusters: &Clusters, object: &DynamicObject) -> bool {
    let labelled = clusters.selector.clone().is_none_or(|selector| {
        // An invalid selector selects nothing.
        Selector::try_from(selector).is_ok_and(|selector| {
            let labels = object.metadata.labels.clone().unwrap_or_default();
            selector.matches(&labels)
        })
    });
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let placements = &clusters.placements;
    let mut placed = placements
        .iter()
        .map(|it| observed.placed.has_chosen(it, name));
    labelled && (placements.is_empty() || placed.any(|chosen| chosen))
}
