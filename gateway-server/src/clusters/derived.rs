//! A managed cluster without a Secret of the manual mode, derived from its `ManagedCluster` and the
//! token of its `ManagedServiceAccount`. Pure. A fault names the object that is missing or broken.

use std::sync::Arc;

use crds::{
    ClusterName,
    cluster_core::{
        ClusterAccess, ClusterEndpoint, ClusterGateway, ClusterGatewaySpec, ClusterGatewayStatus,
        CredentialType, EndpointType,
    },
};
use http::uri::Authority;

use super::{
    accepted_cluster::{AcceptedCluster, Address},
    definition::{Definition, Means, Unusable},
    listing::Listing,
    secret::Fault,
    token::Token,
};
use crate::{
    account_name::AccountName,
    args::Egress,
    ip_range::IpRange,
    tunnels::{TunnelDialer, Tunnels},
    upstream::{Dialer, Reach, Target, Tls, Trust},
    way::Places,
};

/// How clusters are derived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Derivation {
    /// The `ManagedServiceAccount` in each cluster's namespace whose tokens are used.
    pub(crate) account: AccountName,
    /// How they are reached.
    pub(crate) egress: Egress,
    /// Where the addresses that they name may be. If there are none, no such address is used.
    pub(crate) allowed: Arc<[IpRange]>,
}

impl Derivation {
    fn egress(&self) -> Egress {
        match self.egress {
            Egress::Auto if self.allowed.is_empty() => Egress::Tunnel,
            egress => egress,
        }
    }
}

/// The managed cluster that these objects make.
pub(super) fn derive(
    cluster: &ClusterName,
    accepted: &AcceptedCluster,
    token: Option<&Result<Token, Fault>>,
    derivation: &Derivation,
    tunnels: &Tunnels,
) -> Definition {
    let account = format!("{cluster}/{}", derivation.account);
    let means = match token {
        None => Err(Unusable::NoToken { account }),
        Some(Err(fault)) => Err(Unusable::BadToken {
            account,
            fault: fault.to_string(),
        }),
        Some(Ok(token)) => {
            places(cluster, accepted, token, derivation, tunnels).map(|places| Means {
                places,
                authorization: Some(token.authorization.clone()),
                renewed: true,
            })
        }
    };
    let egress = derivation.egress();
    let addresses = match egress {
        Egress::Tunnel => Vec::new(),
        Egress::Auto | Egress::Direct => {
            let known = accepted.addresses.iter();
            known.map(|address| address.shown.clone()).collect()
        }
    };
    let endpoint = match (egress, addresses.first()) {
        (Egress::Tunnel, _) | (Egress::Auto, None) => ClusterEndpoint {
            endpoint_type: EndpointType::ClusterProxy,
            constant: None,
        },
        (Egress::Auto | Egress::Direct, constant) => ClusterEndpoint {
            endpoint_type: EndpointType::Const,
            constant: constant.cloned(),
        },
    };
    let object = ClusterGateway {
        metadata: accepted.metadata.clone(),
        spec: ClusterGatewaySpec {
            provider: accepted.provider.clone(),
            access: ClusterAccess {
                endpoint,
                credential: CredentialType::ServiceAccountToken.into(),
            },
        },
        status: means.as_ref().err().map(|unusable| {
            ClusterGatewayStatus::unhealthy(format!("{unusable}; {}", unusable.next_step()))
        }),
    };
    Definition {
        object: Some(object),
        addresses,
        listing: Listing::of_account(&accepted.alias, egress),
        version: accepted.version.clone(),
        registered: accepted.metadata.creation_timestamp.as_ref().map(|it| it.0),
        means,
    }
}

fn places(
    cluster: &ClusterName,
    accepted: &AcceptedCluster,
    token: &Token,
    derivation: &Derivation,
    tunnels: &Tunnels,
) -> Result<Places, Unusable> {
    let tunnel = || Target {
        authority: Authority::from_static(TunnelDialer::APISERVER),
        base_path: String::new(),
        dialer: Dialer::Tunnel(TunnelDialer::apiserver(cluster, tunnels)),
        tls: Some(verified(Trust::Authorities(token.authorities.clone()))),
    };
    let allowed = &derivation.allowed;
    let direct = || {
        accepted
            .addresses
            .iter()
            .map(|it| direct(it, trust(it, accepted, token), allowed))
    };
    let places = match derivation.egress() {
        Egress::Auto => Places {
            tunnel: Some(tunnel()),
            direct: direct().collect(),
        },
        Egress::Tunnel => Places {
            tunnel: Some(tunnel()),
            direct: Vec::new(),
        },
        Egress::Direct if allowed.is_empty() => return Err(Unusable::NotAllowed),
        Egress::Direct => Places {
            tunnel: None,
            direct: direct().collect(),
        },
    };
    if places.tunnel.is_none() && places.direct.is_empty() {
        let fault = accepted.fault.clone();
        return Err(Unusable::NoAddress(
            fault.unwrap_or_else(|| "it has none".to_owned()),
        ));
    }
    Ok(places)
}

/// An address that has a CA bundle is verified with it, because the address may be a load
/// balancer's. Any other address is verified with the CA that came with the token, unless the
/// cluster says that its certificate is a public one.
fn trust(address: &Address, accepted: &AcceptedCluster, token: &Token) -> Trust {
    match &address.authorities {
        Some(own) => Trust::Authorities(own.clone()),
        None if accepted.trusts_host => Trust::Host,
        None => Trust::Authorities(token.authorities.clone()),
    }
}

fn direct(address: &Address, trust: Trust, allowed: &Arc<[IpRange]>) -> Target {
    Target {
        authority: address.reached.authority.clone(),
        base_path: address.reached.base_path.clone(),
        dialer: Dialer::Direct {
            host: address.reached.host.clone(),
            port: address.reached.port,
            reach: Reach::Within(Arc::clone(allowed)),
        },
        tls: Some(verified(trust)),
    }
}

fn verified(trust: Trust) -> Tls {
    Tls {
        trust,
        identity: None,
    }
}

#[cfg(test)]
pub(in crate::clusters) mod tests;
