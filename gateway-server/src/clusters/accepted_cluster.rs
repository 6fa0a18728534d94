//! The addresses that a `ManagedCluster` gives for its cluster. Pure.

use crds::{
    cluster::{ClientConfig, ManagedCluster},
    cluster_core::ConstEndpoint,
};
use k8s_openapi::{ByteString, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use rustls::pki_types::CertificateDer;

use super::secret::{self, Reached, parse_reached};

/// A cluster that the hub has accepted.
#[derive(Debug)]
pub(super) struct AcceptedCluster {
    pub(super) metadata: ObjectMeta,
    /// Its usable addresses, in its own order.
    pub(super) addresses: Vec<Address>,
    /// Why the first unusable address is unusable, if there is one.
    pub(super) fault: Option<String>,
}

/// One address of its API server.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) reached: Reached,
    /// As it is shown.
    pub(super) shown: ConstEndpoint,
    /// Its own CAs, such as that of a load balancer in front of the API server.
    pub(super) authorities: Option<Vec<CertificateDer<'static>>>,
}

impl AcceptedCluster {
    /// Reads a `ManagedCluster`; `None` if the hub has not accepted it or if it is being deleted.
    pub(super) fn read(cluster: &ManagedCluster) -> Option<Self> {
        let metadata = &cluster.metadata;
        if !cluster.spec.hub_accepts_client || metadata.deletion_timestamp.is_some() {
            return None;
        }
        let (mut addresses, mut fault) = (Vec::new(), None);
        for config in &cluster.spec.managed_cluster_client_configs {
            match Address::read(config) {
                Ok(address) => addresses.push(address),
                Err(error) => {
                    fault.get_or_insert(error);
                }
            }
        }
        Some(Self {
            metadata: ObjectMeta {
                name: metadata.name.clone(),
                uid: metadata.uid.clone(),
                creation_timestamp: metadata.creation_timestamp.clone(),
                labels: metadata.labels.clone(),
                ..ObjectMeta::default()
            },
            addresses,
            fault,
        })
    }
}

impl Address {
    fn read(config: &ClientConfig) -> Result<Self, String> {
        let named = |fault: String| format!("client config {:?}: {fault}", config.url);
        let reached = parse_reached(config.url.trim()).map_err(named)?;
        let bundle = config
            .ca_bundle
            .as_ref()
            .filter(|ByteString(pem)| !pem.is_empty());
        let authorities = bundle
            .map(|ByteString(pem)| secret::bundle(pem, "caBundle"))
            .transpose();
        Ok(Self {
            reached,
            shown: ConstEndpoint {
                address: config.url.trim().into(),
                ca_bundle: bundle.cloned(),
                insecure: None,
                proxy_url: None,
            },
            authorities: authorities.map_err(|fault| named(fault.to_string()))?,
        })
    }
}
