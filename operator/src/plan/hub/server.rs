//! The gateway server on the hub, if the operator runs it: keys, rights, Deployment, Service. Also
//! what the gateway's own entrance for agents needs, whoever runs the server.

mod allowance;
mod deployment;
mod keys;
mod peers;
mod rights;
mod tunnel;

use std::collections::BTreeSet;

use crds::gateway::{GatewayConfigurationSpec, ServerDeployment};
use jiff::Timestamp;
use kube::core::DynamicObject;

pub(crate) use self::allowance::withheld;
pub(super) use self::rights::first as first_objects;
use crate::{
    kind::{Kind, ObjectKey, SERVICE_NAME},
    names::{SERVER, SERVICE},
    object::is_ours,
    observed::Observed,
    plan::{Desired, Plan, entrance},
};

/// The kinds whose objects, if they are the operator's, all belong to the server.
const OWN: [Kind; 5] = [
    Kind::Deployment,
    Kind::PodDisruptionBudget,
    Kind::Service,
    Kind::Secret,
    Kind::ServiceAccount,
];

/// Plans the server or its removal, and returns the bundle that its certificate is verified with.
pub(super) fn plan(
    observed: &Observed,
    spec: &GatewayConfigurationSpec,
    now: Timestamp,
    plan: &mut Plan,
) -> Option<String> {
    let namespace = &spec.server.namespace;
    let mut kept = BTreeSet::new();
    if entrance::is_wanted(spec) {
        kept.extend(tunnel::keys(namespace));
    }
    let mut wanted: Vec<Desired> = tunnel::plan(observed, spec, now, plan);
    let mut bundle = None;
    if spec.server.deployment == ServerDeployment::Managed {
        bundle = keys::plan(observed, spec, now, plan);
        kept.extend(keys::keys(namespace));
        kept.extend(peers::keys(namespace));
        wanted.push(peers::plan(observed, spec, now, plan));
        wanted.extend(rights::all(spec).chain(deployment::all(observed, spec)));
    }
    kept.extend(wanted.iter().map(|desired| desired.key.clone()));
    for desired in wanted {
        plan.want(observed, desired);
    }
    sweep(observed, &kept, plan);
    bundle
}

/// Deletes the server's objects that are not kept. Namespaces stay because others may use them.
pub(super) fn sweep(observed: &Observed, kept: &BTreeSet<ObjectKey>, plan: &mut Plan) {
    let own = OWN.into_iter().flat_map(|kind| observed.all(kind));
    // If the hub manages itself, there are bindings of grants and of the agent as well.
    let bindings = [Kind::RoleBinding, Kind::ClusterRoleBinding].into_iter();
    let bindings = bindings
        .flat_map(|kind| observed.all(kind))
        .filter(|(key, _)| key.name.starts_with(SERVER));
    for (key, object) in own.chain(bindings) {
        if is_ours(object) && !kept.contains(key) {
            plan.unwanted(observed, key);
        }
    }
}

/// True if an endpoint of the server is ready. Only the slices of its main Service show that,
/// because in those of the replicas' own Service every endpoint counts as ready.
pub(super) fn has_ready_endpoint(observed: &Observed, namespace: &str) -> bool {
    let slices = observed.within(Kind::EndpointSlice, namespace);
    let slices = slices.filter(|(_, slice)| service_of(slice) == Some(SERVICE));
    let mut endpoints =
        slices.flat_map(|(_, slice)| slice.data["endpoints"].as_array().into_iter().flatten());
    endpoints.any(|endpoint| endpoint["conditions"]["ready"] == true)
}

fn service_of(slice: &DynamicObject) -> Option<&str> {
    let labels = slice.metadata.labels.as_ref()?;
    labels.get(SERVICE_NAME).map(String::as_str)
}
