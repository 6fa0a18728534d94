//! Which clusters the configuration selects. A cluster that a placement drops stays selected for a
//! moment, because Open Cluster Management may only be moving it to another decision. All other
//! reasons count at once.

use crds::{
    addon::NO_INSTALL,
    gateway::{Clusters, PlacementReference},
};
use jiff::Timestamp;
use kube::core::{DynamicObject, Selector, SelectorExt as _};

use super::namespace::refusal;
use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    names::WORK,
    object::{deleting, is_ours},
    observed::Observed,
    plan::row_key,
};

/// Whether the configuration selects a cluster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Choice {
    Chosen,
    /// No placement has selected it for a moment. It stays until this time if it is enrolled.
    Dropped(Timestamp),
    Other,
}

/// True if the hub has accepted the cluster, the configuration selects it, and its namespace is its
/// own.
pub(crate) fn is_selected(observed: &Observed, cluster: &str, now: Timestamp) -> bool {
    is_chosen(observed, cluster, now) && refusal(observed, cluster).is_none()
}

/// True if the hub has accepted the cluster and the configuration selects it.
pub(crate) fn is_chosen(observed: &Observed, cluster: &str, now: Timestamp) -> bool {
    match choice(observed, cluster, now) {
        Choice::Chosen => true,
        Choice::Dropped(_) => is_enrolled(observed, cluster),
        Choice::Other => false,
    }
}

/// When a cluster leaves that no placement selects at the moment.
pub(crate) fn leaves_at(observed: &Observed, cluster: &str, now: Timestamp) -> Option<Timestamp> {
    match choice(observed, cluster, now) {
        Choice::Dropped(until) => Some(until),
        Choice::Chosen | Choice::Other => None,
    }
}

fn choice(observed: &Observed, cluster: &str, now: Timestamp) -> Choice {
    let key = ObjectKey::global(Kind::ManagedCluster, cluster);
    let Some(object) = observed.object(&key) else {
        return Choice::Other;
    };
    let Some(configuration) = observed.configuration().filter(|it| !it.is_deleting) else {
        return Choice::Other;
    };
    let is_accepted = object.data["spec"]["hubAcceptsClient"] == true;
    let annotations = object.metadata.annotations.as_ref();
    let declines = annotations
        .and_then(|all| all.get(NO_INSTALL))
        .is_some_and(|it| it == "true");
    let stays = object.metadata.deletion_timestamp.is_none();
    if is_accepted && !declines && stays {
        chooses(observed, &configuration.spec.clusters, object, now)
    } else {
        Choice::Other
    }
}

fn chooses(
    observed: &Observed,
    clusters: &Clusters,
    object: &DynamicObject,
    now: Timestamp,
) -> Choice {
    let labelled = clusters.selector.clone().is_none_or(|selector| {
        // An invalid selector selects nothing.
        Selector::try_from(selector).is_ok_and(|selector| {
            let labels = object.metadata.labels.clone().unwrap_or_default();
            selector.matches(&labels)
        })
    });
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let placements = &clusters.placements;
    let placed = &observed.placed;
    let chosen = |it: &PlacementReference| placed.has_chosen(it, name);
    if !labelled {
        return Choice::Other;
    }
    if placements.is_empty() || placements.iter().any(chosen) {
        return Choice::Chosen;
    }
    let lasts = placements
        .iter()
        .filter_map(|it| placed.lasts(it, name, now));
    lasts.max().map_or(Choice::Other, Choice::Dropped)
}

/// True if everything that carries requests and tokens is there, and nothing of it is being removed.
/// A removal that has begun goes on, even if the operator restarts meanwhile.
fn is_enrolled(observed: &Observed, cluster: &str) -> bool {
    let stays = |object: &DynamicObject| is_ours(object) && deleting(object).is_none();
    let has = |key: &ObjectKey| observed.object(key).is_some_and(stays);
    let has_tokens = || {
        let mut accounts = observed.within(Kind::ManagedServiceAccount, cluster);
        accounts.any(|(_, account)| stays(account))
    };
    has(&row_key(cluster, Addon::Gateway))
        && has(&ObjectKey::new(Kind::ManifestWork, cluster, WORK))
        && (!has(&row_key(cluster, Addon::Accounts)) || has_tokens())
}
