//! The gateway's own address, for contexts that do not lead through the hub's API server.

use crds::gateway::{GatewayConfiguration, SINGLETON};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kube::Api;

use crate::{
    hub::{Hub, HubError, unanswered},
    kubeconfig::documents::HubEntry,
};

const API_SERVICE: &str = "v1alpha1.cluster.core.oam.dev";

/// Why there is no way straight to the gateway.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectError {
    #[error(
        "the gateway takes requests from the hub's API server only; an administrator of the hub may set \
         spec.server.directAccess.enabled of the GatewayConfiguration"
    )]
    Off,
    #[error(
        "APIService {API_SERVICE} has no caBundle, so the gateway cannot be verified; check the conditions of the \
         GatewayConfiguration"
    )]
    NoAuthority,
    #[error(transparent)]
    Hub(#[from] HubError),
}

/// The entry of the gateway itself, with the user of the hub's entry.
pub(super) async fn entry(hub: &Hub, entry: &HubEntry) -> Result<HubEntry, DirectError> {
    let configurations = Api::<GatewayConfiguration>::all(hub.client.clone());
    let configuration = configurations.get(SINGLETON).await.map_err(unanswered)?;
    let address = configuration.spec.server.direct_address();
    let (host, port) = address.ok_or(DirectError::Off)?;
    let services = Api::<APIService>::all(hub.client.clone());
    let service = services.get(API_SERVICE).await.map_err(unanswered)?;
    let bundle = service.spec.and_then(|spec| spec.ca_bundle);
    let bundle = bundle.filter(|it| !it.0.is_empty());
    let bundle = bundle.ok_or(DirectError::NoAuthority)?;
    let server = if host.contains(':') {
        format!("https://[{host}]:{port}")
    } else {
        format!("https://{host}:{port}")
    };
    Ok(entry.at(&server, &bundle))
}
