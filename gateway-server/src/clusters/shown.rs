//! A managed cluster as `clustergateways` shows it: the definition from its source, and what this
//! gateway last saw of it.

use crds::cluster_core::{ClusterEndpoint, ClusterGateway, ClusterGatewayStatus, EndpointType};

use super::cluster::Cluster;
use crate::{
    tunnels::TunnelError,
    upstream::{Dialer, Health, Upstream},
    way::Way,
};

/// The part of a cluster that changes without a change of its source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct LiveState {
    in_use: InUse,
    /// `None` until something was seen of it.
    health: Option<ClusterGatewayStatus>,
}

/// The place that a request would go to now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum InUse {
    Tunnel,
    /// Index into the addresses that are shown.
    Address(usize),
    Unknown,
}

impl Cluster {
    /// Its state now.
    pub(super) fn live_state(&self) -> LiveState {
        let Ok(access) = &self.access else {
            return LiveState {
                in_use: InUse::Unknown,
                health: None,
            };
        };
        let upstream = access.way.current();
        LiveState {
            in_use: in_use(&access.way, &upstream),
            health: seen(&upstream),
        }
    }

    /// The object to show.
    pub(super) fn shown(&self, live: &LiveState) -> Option<ClusterGateway> {
        let mut object = self.object.clone()?;
        if let Some(endpoint) = self.endpoint(live.in_use) {
            object.spec.access.endpoint = endpoint;
        }
        if let Some(seen) = &live.health {
            object.status = Some(seen.clone());
        }
        Some(object)
    }

    /// The endpoint, if it depends on the place in use.
    fn endpoint(&self, in_use: InUse) -> Option<ClusterEndpoint> {
        match in_use {
            InUse::Unknown => None,
            _ if self.addresses.is_empty() => None,
            InUse::Tunnel => Some(ClusterEndpoint {
                endpoint_type: EndpointType::ClusterProxy,
                constant: None,
            }),
            InUse::Address(index) => Some(ClusterEndpoint {
                endpoint_type: EndpointType::Const,
                constant: self.addresses.get(index).cloned(),
            }),
        }
    }
}

fn in_use(way: &Way, upstream: &Upstream) -> InUse {
    match &upstream.target.dialer {
        Dialer::Tunnel(_) => InUse::Tunnel,
        _ => way
            .position(&upstream.target)
            .map_or(InUse::Unknown, InUse::Address),
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
            Some(unhealthy(format!("{error} (failing since {since:.0})")))
        }
        (Dialer::Tunnel(_), _) | (_, Health::Good) => healthy,
        (_, Health::Unknown) => None,
    }
}
