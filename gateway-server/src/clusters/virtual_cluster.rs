//! From what is known of a cluster to the object that `virtualclusters` shows. Pure.

use std::collections::BTreeMap;

use crds::cluster_core::{
    CONTROL_PLANE_LABEL, GROUP, LOCAL_CLUSTER, NO_ENDPOINT, VirtualCluster, VirtualClusterSpec,
    VirtualCredentialType,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{accepted_cluster::Registration, definition::Definition};

/// The hub itself.
pub(super) fn local() -> VirtualCluster {
    let spec = VirtualClusterSpec {
        alias: String::new(),
        accepted: true,
        endpoint: NO_ENDPOINT.into(),
        credential_type: VirtualCredentialType::Internal,
    };
    let mut local = VirtualCluster::new(LOCAL_CLUSTER, spec);
    local.metadata.labels = Some(labels(None, true));
    local
}

/// A cluster that the gateway serves. `None` if its source is too broken to show, or names no
/// endpoint, as in cluster-gateway.
pub(super) fn served(definition: &Definition) -> Option<VirtualCluster> {
    let object = definition.object.as_ref()?;
    let spec = VirtualClusterSpec {
        alias: definition.listing.alias.clone(),
        accepted: true,
        endpoint: definition.listing.endpoint.clone()?,
        credential_type: object.spec.access.credential.credential_type.into(),
    };
    Some(shown(&object.metadata, spec))
}

/// A cluster that is registered at the hub and that the gateway does not serve.
pub(super) fn registered(registration: &Registration) -> VirtualCluster {
    let (metadata, alias, accepted) = match registration {
        Registration::Accepted(it) => (&it.metadata, &it.alias, true),
        Registration::Denied(it) => (&it.metadata, &it.alias, false),
    };
    let spec = VirtualClusterSpec {
        alias: alias.clone(),
        accepted,
        endpoint: NO_ENDPOINT.into(),
        credential_type: VirtualCredentialType::ManagedCluster,
    };
    shown(metadata, spec)
}

fn shown(source: &ObjectMeta, spec: VirtualClusterSpec) -> VirtualCluster {
    let mut shown = VirtualCluster::new(source.name.as_deref().unwrap_or_default(), spec);
    shown.metadata.uid.clone_from(&source.uid);
    shown
        .metadata
        .creation_timestamp
        .clone_from(&source.creation_timestamp);
    shown.metadata.labels = Some(labels(source.labels.as_ref(), false));
    shown
}

/// The labels of the source without those of the API group, which describe the Secret.
fn labels(
    source: Option<&BTreeMap<String, String>>,
    is_control_plane: bool,
) -> BTreeMap<String, String> {
    let own = source.into_iter().flatten();
    let own = own.filter(|(key, _)| !key.starts_with(GROUP));
    let own = own.map(|(key, value)| (key.clone(), value.clone()));
    let role = (CONTROL_PLANE_LABEL.to_owned(), is_control_plane.to_string());
    own.chain([role]).collect()
}
