//! A managed cluster as `clustergateways` shows it: its source's word, and what this gateway last
//! saw of it.

use crds::cluster_core::{ClusterEndpoint, ClusterGateway, ClusterGatewayStatus, EndpointType};

use super::cluster::Cluster;
use crate::{
    tunnels::TunnelError,
    upstream::{Dialer, Health, Upstream},
    way::Way,
};

/// What of a cluster changes without a word of its source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Standing {
    place: Place,
    /// Nothing where nothing was seen of it yet.
    health: Option<ClusterGatewayStatus>,
}

/// The way that a request would take now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Tunnel,
    /// Of those that are shown.
    Address(usize),
    Unknown,
}

impl Cluster {
    /// How it stands now.
    pub(super) fn standing(&self) -> Standing {
        let Ok(access) = &self.access else {
            return Standing {
                place: Place::Unknown,
                health: None,
            };
        };
        let upstream = access.way.current();
        Standing {
            place: place(&access.way, &upstream),
            health: seen(&upstream),
        }
    }

    /// The object to show.
    pub(super) fn shown(&self, standing: &Standing) -> Option<ClusterGateway> {
        let mut object = self.object.clone()?;
        if let Some(endpoint) = self.endpoint(standing.place) {
            object.spec.access.endpoint = endpoint;
        }
        if let Some(seen) = &standing.health {
            object.status = Some(seen.clone());
        }
        Some(object)
    }

    /// The endpoint, where it depends on the way that is taken.
    fn endpoint(&self, place: Place) -> Option<ClusterEndpoint> {
        match place {
            Place::Unknown => None,
            _ if self.addresses.is_empty() => None,
            Place::Tunnel => Some(ClusterEndpoint {
                endpoint_type: EndpointType::ClusterProxy,
                constant: None,
            }),
            Place::Address(index) => Some(ClusterEndpoint {
                endpoint_type: EndpointType::Const,
                constant: self.addresses.get(index).cloned(),
            }),
        }
    }
}

fn place(way: &Way, upstream: &Upstream) -> Place {
    match &upstream.target.dialer {
        Dialer::Tunnel(_) => Place::Tunnel,
        _ => way
            .position(&upstream.target)
            .map_or(Place::Unknown, Place::Address),
    }
}

fn seen(upstream: &Upstream) -> Option<ClusterGatewayStatus> {
    let unhealthy = |reason: String| ClusterGatewayStatus {
        healthy: false,
        healthy_reason: reason,
    };
    let healthy = Some(ClusterGatewayStatus {
        healthy: true,
        healthy_reason: String::new(),
    });
    match (&upstream.target.dialer, upstream.health()) {
        (Dialer::Tunnel(tunnel), _) if !tunnel.is_attached() => {
            Some(unhealthy(TunnelError::Absent.to_string()))
        }
        (_, Health::Failing { error, since }) => {
            Some(unhealthy(format!("{error} (so since {since:.0})")))
        }
        (Dialer::Tunnel(_), _) | (_, Health::Good) => healthy,
        (_, Health::Unknown) => None,
    }
}
