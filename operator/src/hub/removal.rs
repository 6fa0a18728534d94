//! A hub without a configuration: what was made for it goes, after what the clusters have.

use std::collections::BTreeSet;

use crds::gateway::{FINALIZER, GRANT_FINALIZER, SINGLETON};

use super::{registration, rights, server};
use crate::{
    enrolment::ROWS,
    kind::{Kind, ObjectKey},
    observed::Observed,
    plan::{Plan, is_ours},
};

pub(super) fn plan(observed: &Observed, plan: &mut Plan) {
    // Agents attach through the gateway until they are gone.
    let left = [
        Kind::ManagedClusterAddOn,
        Kind::ManifestWork,
        Kind::ManagedServiceAccount,
    ];
    let left = left.into_iter().flat_map(|kind| observed.all(kind));
    let mut held = observed.all(Kind::AccessGrant).filter(|(_, grant)| {
        let finalizers = grant.metadata.finalizers.iter().flatten();
        finalizers.into_iter().any(|it| it == GRANT_FINALIZER)
    });
    if left.into_iter().any(|(_, object)| is_ours(object)) || held.next().is_some() {
        return;
    }
    plan.unwanted(observed, &registration::key());
    server::sweep(observed, &BTreeSet::new(), plan);
    plan.unwanted(observed, &rights::binding());
    for role in rights::roles() {
        plan.unwanted(observed, &role.key);
    }
    for addon in ROWS {
        plan.unwanted(
            observed,
            &ObjectKey::global(Kind::ClusterManagementAddOn, addon),
        );
    }
    let key = ObjectKey::global(Kind::GatewayConfiguration, SINGLETON);
    if let Some(object) = observed.object(&key)
        && plan.actions.is_empty()
    {
        plan.hold(&key, object, FINALIZER, false);
    }
}
