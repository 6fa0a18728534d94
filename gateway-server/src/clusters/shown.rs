//! A managed cluster as `clustergateways` shows it: the definition from its source, and the health
//! that the replicas have seen.

use crds::cluster_core::{ClusterEndpoint, ClusterGateway, ClusterGatewayStatus, EndpointType};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kubernetes::words::clipped;
use runtime::causes::without_links;

use super::{
    cluster::Cluster,
    health::{Decision, Evidence, InUse, LiveState, STEP, Seen, View},
};
use crate::{
    upstream::{Dialer, Health, Upstream},
    way::Way,
};

/// The condition by which `kubectl wait` waits.
const READY: &str = "Ready";

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

    /// Whether this replica reaches the cluster. `None` if it has not tried.
    pub(super) fn is_reached(&self) -> Option<bool> {
        match &self.access {
            Ok(_) => Some(self.view().state.health?.healthy),
            Err(_) => Some(false),
        }
    }

    /// The object to show.
    pub(super) fn shown(&self, live: &LiveState, decided: &Decision) -> Option<ClusterGateway> {
        let mut object = self.object.clone()?;
        if let Some(endpoint) = self.endpoint(live.in_use) {
            object.spec.access.endpoint = endpoint;
        }
        if let Some(seen) = &live.health {
            object.status = Some(ClusterGatewayStatus {
                healthy: seen.healthy,
                healthy_reason: seen.healthy_reason.clone(),
                excess_rights: seen.excess_rights.clone(),
                ..ClusterGatewayStatus::default()
            });
        }
        let created = object.metadata.creation_timestamp.clone();
        if let Some(status) = &mut object.status {
            status.kubernetes_version.clone_from(&self.version);
            describe(status, decided, created);
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

/// Adds the condition, and when the cluster was last seen. If the replicas have not decided anything yet,
/// the condition dates from the creation of the cluster.
fn describe(status: &mut ClusterGatewayStatus, decided: &Decision, created: Option<Time>) {
    let time = |seconds| Timestamp::from_second(seconds).ok().map(Time);
    let is_decided = decided.is_healthy() == Some(status.healthy);
    let since = decided.since.filter(|_| is_decided).and_then(time);
    if !status.healthy {
        status.last_seen_time = decided.last_seen.and_then(time);
    }
    let (holds, reason) = if status.healthy {
        ("True", "Reached")
    } else {
        ("False", "Unreachable")
    };
    status.conditions = vec![Condition {
        type_: READY.to_owned(),
        status: holds.to_owned(),
        reason: reason.to_owned(),
        message: status.healthy_reason.clone(),
        last_transition_time: since.or(created).unwrap_or(Time(Timestamp::UNIX_EPOCH)),
        observed_generation: None,
    }];
}

fn in_use(way: &Way, upstream: &Upstream) -> InUse {
    match &upstream.target.dialer {
        Dialer::Tunnel(_) => InUse::Tunnel,
        _ => way
            .position(&upstream.target)
            .map_or(InUse::Unknown, InUse::Address),
    }
}

/// What is wrong with some of the tunnels, although the cluster can be reached.
fn astray(upstream: &Upstream) -> Option<String> {
    let Dialer::Tunnel(tunnel) = &upstream.target.dialer else {
        return None;
    };
    let (all, astray) = tunnel.astray();
    (astray > 0).then(|| {
        format!(
            "agents on different clusters are connected under this name: {astray} of {all} tunnels do \
             not lead to its API server and are not used; stop the agent that does not belong to it"
        )
    })
}

/// That the tunnels take another way than they should, and what stands in between.
fn detour(upstream: &Upstream) -> Option<String> {
    let Dialer::Tunnel(tunnel) = &upstream.target.dialer else {
        return None;
    };
    let why = tunnel.detour()?;
    Some(format!(
        "its agents are attached by WebSocket, because something between them and the gateway passes no other \
         upgrade: {why}"
    ))
}

fn with_hint(mut view: View, hint: Option<String>) -> View {
    if let Some((health, hint)) = view.state.health.as_mut().zip(hint) {
        health.healthy_reason = hint;
    }
    view
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
            health: (evidence != Evidence::Nothing || fault.is_some()).then(|| Seen {
                healthy: fault.is_none(),
                healthy_reason: fault.unwrap_or_default(),
                excess_rights: None,
            }),
        },
    };
    match (&upstream.target.dialer, sighting.health) {
        (Dialer::Tunnel(tunnel), _) if !tunnel.is_attached() => View {
            attempted: 0,
            ..view(Evidence::Nothing, Some(tunnel.absent().to_string()))
        },
        _ if sighting.is_open => {
            let hint = astray(upstream).or_else(|| detour(upstream));
            with_hint(view(Evidence::Connection, None), hint)
        }
        (_, Health::Failing { error, since }) => {
            let fault = format!(
                "{} (failing since {since:.0})",
                clipped(&without_links(&error.to_string()))
            );
            view(Evidence::Attempt, Some(fault))
        }
        (_, Health::Good) => view(Evidence::Attempt, None),
        (Dialer::Tunnel(_), Health::Unknown) => view(Evidence::Agent, None),
        (_, Health::Unknown) => view(Evidence::Nothing, None),
    }
}
