//! A managed cluster as `clustergateways` shows it: its source's word, and what this gateway last
//! saw of it.

use crds::cluster_core::{ClusterEndpoint, ClusterGateway, ClusterGatewayStatus, EndpointType};

use super::Cluster;
use crate::{
    tunnels::TunnelError,
    upstream::{Dialer, Health, Upstream},
};

impl Cluster {
    /// The object to show, with the way that is taken now and what is known of its health.
    pub(crate) fn shown(&self) -> Option<ClusterGateway> {
        let mut object = self.object.clone()?;
        if let Ok(access) = &self.access {
            let upstream = access.way.current();
            if let Some(endpoint) = self.endpoint(&upstream) {
                object.spec.access.endpoint = endpoint;
            }
            if let Some(seen) = seen(&upstream) {
                object.status = Some(seen);
            }
        }
        Some(object)
    }

    /// The endpoint, where it depends on the way that is taken.
    fn endpoint(&self, upstream: &Upstream) -> Option<ClusterEndpoint> {
        if self.addresses.is_empty() {
            return None;
        }
        if let Dialer::Tunnel(_) = upstream.target.dialer {
            return Some(ClusterEndpoint {
                endpoint_type: EndpointType::ClusterProxy,
                constant: None,
            });
        }
        let Ok(access) = &self.access else {
            return None;
        };
        let index = access.way.position(&upstream.target)?;
        Some(ClusterEndpoint {
            endpoint_type: EndpointType::Const,
            constant: self.addresses.get(index).cloned(),
        })
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
        (Dialer::Tunnel(tunnel), _) if tunnel.status().is_none() => {
            Some(unhealthy(TunnelError::Absent.to_string()))
        }
        (_, Health::Failing { error, since }) => {
            Some(unhealthy(format!("{error} (so since {since:.0})")))
        }
        (Dialer::Tunnel(_), _) | (_, Health::Good) => healthy,
        (_, Health::Unknown) => None,
    }
}
