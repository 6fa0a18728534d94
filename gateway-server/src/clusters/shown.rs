//! A managed cluster as `clustergateways` shows it: the definition from its source, and the health
//! that the replicas have seen.

use crds::cluster_core::{ClusterEndpoint, ClusterGateway, ClusterGatewayStatus, EndpointType};

use kubernetes::words::clipped;

use super::{
    cluster::Cluster,
    health::{Evidence, InUse, LiveState, STEP, View},
};
use crate::{
    upstream::{Dialer, Health, Upstream},
    way::Way,
};

impl Cluster {
    /// What this replica sees of the cluster now.
    pub(super) fn view(&self) -> View {
        let Ok(access) = &self.access else {
            return View::default();
        };
        let upstream = access.way.current();
        let in_use = in_use(&access.way, &upstream);
        let mut view = seen(in_use, &upstream);
        if let Some(health) = &mut view.state.health {
            health.excess_rights = self.rights.excess();
        }
        view
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

    /// The endpoint, if it depends on which place is in use.
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

fn seen(in_use: InUse, upstream: &Upstream) -> View {
    let sighting = upstream.sighting();
    let attempted = sighting
        .attempted
        .map_or(0, |it| it.as_second() / STEP * STEP);
    let view = |evidence, fault: Option<String>| View {
        evidence,
        attempted,
        state: LiveState {
            in_use,
            health: (evidence != Evidence::Nothing || fault.is_some()).then(|| {
                ClusterGatewayStatus {
                    healthy: fault.is_none(),
                    healthy_reason: fault.unwrap_or_default(),
                    excess_rights: None,
                }
            }),
        },
    };
    match (&upstream.target.dialer, sighting.health) {
        (Dialer::Tunnel(tunnel), _) if !tunnel.is_attached() => View {
            attempted: 0,
            ..view(Evidence::Nothing, Some(tunnel.absent().to_string()))
        },
        _ if sighting.is_open => view(Evidence::Connection, None),
        (_, Health::Failing { error, since }) => {
            let fault = format!("{} (failing since {since:.0})", clipped(&error.to_string()));
            view(Evidence::Attempt, Some(fault))
        }
        (_, Health::Good) => view(Evidence::Attempt, None),
        (Dialer::Tunnel(_), Health::Unknown) => view(Evidence::Agent, None),
        (_, Health::Unknown) => view(Evidence::Nothing, None),
    }
}
