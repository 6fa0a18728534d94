//! Whether the configuration selects a cluster, by its labels and by placements. Pure.

use std::collections::BTreeMap;

use crds::{addon::NO_INSTALL, gateway::PlacementReference};
use jiff::Timestamp;
use kube::core::{DynamicObject, SelectorExt as _};

use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    names::WORK,
    object::{deleting, is_ours},
    observed::{Configuration, Observed},
    plan::row_key,
};

static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

/// Whether a cluster is selected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Choice {
    Chosen,
    /// No placement has selected it for a moment. It stays until this time if it is enrolled.
    Dropped(Timestamp),
    /// The configuration does not select it.
    Unselected,
    /// It is out for a reason of its own.
    Out(Out),
}

/// Why a cluster is out, whatever the configuration selects.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Out {
    #[error("the GatewayConfiguration is deleted")]
    NoConfiguration,
    #[error("the cluster is detached from the hub")]
    Detached,
    #[error("the hub does not accept the cluster (spec.hubAcceptsClient)")]
    Denied,
    #[error("the cluster has the annotation {}", NO_INSTALL)]
    Declined,
}

/// Whether the cluster is selected.
pub(super) fn choice(observed: &Observed, cluster: &str, now: Timestamp) -> Choice {
    let (object, configuration) = match candidate(observed, cluster) {
        Ok(candidate) => candidate,
        Err(out) => return Choice::Out(out),
    };
    if !is_labelled(configuration, object) {
        return Choice::Unselected;
    }
    if is_placed(observed, configuration, object) {
        return Choice::Chosen;
    }
    let placements = configuration.spec.clusters.placements.iter();
    let lasts = placements.filter_map(|it| observed.placed.lasts(it, cluster, now));
    lasts.max().map_or(Choice::Unselected, Choice::Dropped)
}

/// True if the hub has accepted the cluster, and the configuration does not select it at the moment.
pub(super) fn is_unselected(observed: &Observed, cluster: &str) -> bool {
    candidate(observed, cluster).is_ok_and(|(object, configuration)| {
        !is_labelled(configuration, object) || !is_placed(observed, configuration, object)
    })
}

/// When a cluster leaves that no placement selects at the moment.
pub(super) fn leaves_at(observed: &Observed, cluster: &str, now: Timestamp) -> Option<Timestamp> {
    match choice(observed, cluster, now) {
        Choice::Dropped(until) => Some(until),
        _ => None,
    }
}

/// The cluster and the configuration, if the configuration may select the cluster.
pub(super) fn candidate<'a>(
    observed: &'a Observed,
    cluster: &str,
) -> Result<(&'a DynamicObject, &'a Configuration), Out> {
    let configuration = observed.configuration().filter(|it| !it.is_deleting);
    let configuration = configuration.ok_or(Out::NoConfiguration)?;
    let object = observed.object(&ObjectKey::global(Kind::ManagedCluster, cluster));
    let object = object.filter(|it| it.metadata.deletion_timestamp.is_none());
    let object = object.ok_or(Out::Detached)?;
    let annotations = object.metadata.annotations.as_ref();
    let declines = annotations
        .and_then(|all| all.get(NO_INSTALL))
        .is_some_and(|it| it == "true");
    if declines {
        return Err(Out::Declined);
    }
    if object.data["spec"]["hubAcceptsClient"] != true {
        return Err(Out::Denied);
    }
    Ok((object, configuration))
}

fn is_labelled(configuration: &Configuration, object: &DynamicObject) -> bool {
    let labels = object.metadata.labels.as_ref().unwrap_or(&NO_LABELS);
    let selector = configuration.selector.as_ref();
    selector.is_none_or(|selector| selector.matches(labels))
}

fn is_placed(observed: &Observed, configuration: &Configuration, object: &DynamicObject) -> bool {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let placements = &configuration.spec.clusters.placements;
    let chosen = |it: &PlacementReference| observed.placed.has_chosen(it, name);
    placements.is_empty() || placements.iter().any(chosen)
}

/// True if the add-on that carries the agent belongs to somebody else.
pub(super) fn is_addon_foreign(observed: &Observed) -> bool {
    let key = ObjectKey::global(Kind::ClusterManagementAddOn, Addon::Gateway.name());
    observed.object(&key).is_some_and(|it| !is_ours(it))
}

/// True if everything that carries requests and tokens is there, and nothing of it is being removed.
/// A removal that has begun goes on, even if the operator restarts meanwhile.
pub(super) fn is_enrolled(observed: &Observed, cluster: &str) -> bool {
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
