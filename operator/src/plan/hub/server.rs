//! The gateway's server on the hub, where the operator runs it: keys, rights, Deployment, Service. And what
//! its own entrance for agents takes, whoever runs it.

mod deployment;
mod keys;
mod peers;
mod rights;
mod tunnel;

use std::collections::BTreeSet;

use crds::gateway::{GatewayConfigurationSpec, ServerDeployment};
use jiff::Timestamp;
use kube::core::DynamicObject;

use crate::{
    kind::{Kind, ObjectKey, SERVICE_NAME},
    names::{SERVER, SERVICE},
    object::is_ours,
    observed::Observed,
    plan::{Desired, Plan, enrolment::FOR_CLUSTER, entrance},
};

/// Kinds of which nothing of ours is for anything but the server.
const OWN: [Kind; 6] = [
    Kind::Deployment,
    Kind::PodDisruptionBudget,
    Kind::Service,
    Kind::Secret,
    Kind::ServiceAccount,
    Kind::Role,
];

/// Wants the server, or none of it, and gives the bundle that its certificate is verified with.
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
        wanted.extend(peers::plan(observed, spec, now, plan));
        wanted.extend(rights::all(spec).chain(deployment::all(observed, spec)));
    }
    kept.extend(wanted.iter().map(|desired| desired.key.clone()));
    for desired in wanted {
        plan.want(observed, desired);
    }
    sweep(observed, &kept, plan);
    bundle
}

/// Deletes what is of the server and not kept. Namespaces stay: others may have put something there.
pub(super) fn sweep(observed: &Observed, kept: &BTreeSet<ObjectKey>, plan: &mut Plan) {
    let own = OWN.into_iter().flat_map(|kind| observed.all(kind));
    let bindings = observed
        .all(Kind::RoleBinding)
        .filter(|(_, it)| !is_of_cluster(it));
    let global = [Kind::ClusterRole, Kind::ClusterRoleBinding]
        .into_iter()
        .flat_map(|kind| observed.all(kind))
        .filter(|(key, _)| key.name.starts_with(SERVER));
    for (key, object) in own.chain(bindings).chain(global) {
        if is_ours(object) && !kept.contains(key) {
            plan.unwanted(observed, key);
        }
    }
}

fn is_of_cluster(object: &DynamicObject) -> bool {
    let labels = object.metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.contains_key(FOR_CLUSTER))
}

/// True where an endpoint of the server takes requests. Only the slices of its main Service say so: in those
/// of the replicas' own Service every endpoint counts as ready.
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
