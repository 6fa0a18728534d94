//! Removes what was created for the hub once there is no configuration, after the objects of the
//! clusters.

use std::collections::BTreeSet;

use crds::gateway::{FINALIZER, GRANT_FINALIZER, SINGLETON};
use jiff::Timestamp;

use super::{api_service, rights, server};
use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    object::{deleting, is_ours},
    observed::Observed,
    plan::{Hold, Plan},
};

pub(super) fn plan(observed: &Observed, now: Timestamp, plan: &mut Plan) {
    let mut held = observed.all(Kind::AccessGrant).filter(|(_, grant)| {
        let finalizers = grant.metadata.finalizers.iter().flatten();
        finalizers.into_iter().any(|it| it == GRANT_FINALIZER)
    });
    if held.next().is_some() || is_held_by_clusters(observed, now, plan) {
        return;
    }
    plan.unwanted(observed, &api_service::key());
    server::sweep(observed, &BTreeSet::new(), plan);
    plan.unwanted(observed, &rights::binding());
    for addon in Addon::ALL {
        plan.unwanted(
            observed,
            &ObjectKey::global(Kind::ClusterManagementAddOn, addon.name()),
        );
    }
    let key = ObjectKey::global(Kind::GatewayConfiguration, SINGLETON);
    if let Some(object) = observed.object(&key)
        && plan.actions.is_empty()
    {
        plan.hold(&key, object, FINALIZER, Hold::Release);
    }
}

/// True while objects of a cluster are left. Agents attach through the gateway until they are
/// removed. The work of a cluster that does not answer stays until it does, but the removal does
/// not wait for it for ever.
fn is_held_by_clusters(observed: &Observed, now: Timestamp, plan: &mut Plan) -> bool {
    let left = [
        Kind::ManagedClusterAddOn,
        Kind::ManifestWork,
        Kind::ManagedServiceAccount,
        Kind::ConfigMap,
    ]
    .into_iter()
    .flat_map(|kind| observed.all(kind))
    .filter(|(_, object)| is_ours(object));
    let mut is_held = false;
    for (key, object) in left {
        if key.kind == Kind::ManifestWork
            && let Some(since) = deleting(object)
        {
            let Some(end) = observed.installation.patience_ends(since, now) else {
                continue;
            };
            plan.wake_at(end);
        }
        is_held = true;
    }
    is_held
}
