//! The addresses that a `ManagedCluster` gives for its cluster. Pure.

use crds::{
    cluster::{ClientConfig, ManagedCluster},
    cluster_core::ConstEndpoint,
};
use k8s_openapi::{ByteString, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kubernetes::words::clipped;
use rustls::pki_types::CertificateDer;

use super::{
    listing::alias,
    secret::{self, Reached, parse_reached},
};

/// The claims that say who provides a cluster, the preferred one first.
const PROVIDER_CLAIMS: [&str; 2] = [
    "platform.open-cluster-management.io",
    "product.open-cluster-management.io",
];

/// A cluster that is registered at the hub.
#[derive(Debug)]
pub(super) enum Registration {
    Accepted(Box<AcceptedCluster>),
    /// The hub does not accept it, or no longer.
    Denied(Box<DeniedCluster>),
}

/// A cluster that the hub does not accept.
#[derive(Debug)]
pub(super) struct DeniedCluster {
    pub(super) metadata: ObjectMeta,
    /// Another name, for people.
    pub(super) alias: String,
}

/// A cluster that the hub has accepted.
#[derive(Debug)]
pub(super) struct AcceptedCluster {
    pub(super) metadata: ObjectMeta,
    /// Another name, for people.
    pub(super) alias: String,
    /// Who provides it, as it claims itself.
    pub(super) provider: String,
    /// The version of its API server, as it reports.
    pub(super) version: String,
    /// Its usable addresses, in its own order.
    pub(super) addresses: Vec<Address>,
    /// Whether the authorities that the gateway's host trusts vouch for addresses without a CA of their own.
    pub(super) trusts_host: bool,
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

impl Registration {
    /// Reads a `ManagedCluster`; `None` if it is being deleted.
    pub(super) fn read(cluster: &ManagedCluster) -> Option<Self> {
        if cluster.metadata.deletion_timestamp.is_some() {
            return None;
        }
        Some(if cluster.spec.hub_accepts_client {
            Self::Accepted(Box::new(AcceptedCluster::read(cluster)))
        } else {
            Self::Denied(Box::new(DeniedCluster {
                metadata: metadata(&cluster.metadata),
                alias: alias(&cluster.metadata),
            }))
        })
    }

    /// The cluster, if the hub accepts it.
    #[cfg(test)]
    pub(super) fn accepted(self) -> Option<AcceptedCluster> {
        match self {
            Self::Accepted(accepted) => Some(*accepted),
            Self::Denied(_) => None,
        }
    }
}

impl AcceptedCluster {
    fn read(cluster: &ManagedCluster) -> Self {
        let (mut addresses, mut fault) = (Vec::new(), None);
        for config in &cluster.spec.managed_cluster_client_configs {
            match Address::read(config) {
                Ok(address) => addresses.push(address),
                Err(error) => {
                    fault.get_or_insert(error);
                }
            }
        }
        Self {
            metadata: metadata(&cluster.metadata),
            alias: alias(&cluster.metadata),
            provider: provider(cluster),
            version: clipped(&version(cluster)),
            addresses,
            trusts_host: secret::trusts_host(&cluster.metadata),
            fault,
        }
    }
}

/// What is shown of it.
fn metadata(source: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: source.name.clone(),
        uid: source.uid.clone(),
        creation_timestamp: source.creation_timestamp.clone(),
        labels: source.labels.clone(),
        ..ObjectMeta::default()
    }
}

fn version(cluster: &ManagedCluster) -> String {
    let status = cluster.status.as_ref();
    status.map_or_else(String::new, |it| it.version.kubernetes.clone())
}

/// The platform, such as AWS, or else the product, such as K3S.
fn provider(cluster: &ManagedCluster) -> String {
    let claims = cluster.status.iter().flat_map(|it| &it.cluster_claims);
    let claims: Vec<_> = claims.collect();
    let claimed = |name: &str| {
        let mut own = claims.iter().filter(|it| it.name == name);
        own.find(|it| !it.value.is_empty() && it.value != "Other")
    };
    let claim = PROVIDER_CLAIMS.into_iter().find_map(claimed);
    claim.map_or_else(String::new, |it| clipped(&it.value))
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
