//! From what is known of a cluster to the object that `virtualclusters` shows. Pure.

use std::collections::BTreeMap;

use crds::cluster_core::{
    ALIAS_ANNOTATION, CONTROL_PLANE_LABEL, EndpointType, GROUP, LOCAL_CLUSTER, NO_ENDPOINT,
    PublicUrl, VirtualCluster, VirtualClusterSpec, VirtualCredentialType,
    secret::ENDPOINT_TYPE_LABEL,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubernetes::words::clipped;

use super::{accepted_cluster::Registration, definition::Definition};
use crate::args::Egress;

/// What is shown of a cluster here and not as `ClusterGateway`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Listing {
    /// Another name, for people.
    pub(super) alias: String,
    /// The URL or the type of its endpoint; `None` if its source names none.
    pub(super) endpoint: Option<PublicUrl>,
}

impl Listing {
    /// Of a Secret of the manual mode. Its label says how the cluster is reached; without one, its URL
    /// does.
    pub(super) fn of_secret(secret: &ObjectMeta, url: Option<&str>) -> Self {
        let labels = secret.labels.as_ref();
        let label = labels.and_then(|labels| labels.get(ENDPOINT_TYPE_LABEL));
        let endpoint = label.map(String::as_str).or(url);
        Self {
            alias: alias(secret),
            endpoint: endpoint.map(Into::into),
        }
    }

    /// Of a cluster that is reached by its account. It does not change with the connection in use, so no
    /// watch of `virtualclusters` hears of that.
    pub(super) fn of_account(alias: &str, egress: Egress) -> Self {
        let endpoint = match egress {
            Egress::Auto | Egress::Tunnel => EndpointType::ClusterProxy,
            Egress::Direct => EndpointType::Const,
        };
        Self {
            alias: alias.to_owned(),
            endpoint: Some(endpoint.as_str().into()),
        }
    }
}

/// The alias that its source gives it. People print it to terminals, so it is short and plain.
pub(super) fn alias(source: &ObjectMeta) -> String {
    let annotations = source.annotations.as_ref();
    let alias = annotations.and_then(|all| all.get(ALIAS_ANNOTATION));
    alias.map_or_else(String::new, |alias| clipped(alias))
}

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
