//! What the gateway counts. Label sets are bounded: verbs are an enum, codes are HTTP's, resources
//! those of Kubernetes, and cluster names are those of clusters that exist.

mod clusters;
mod go_names;
mod outcomes;
mod resource;
pub(crate) mod up;

use std::sync::atomic::AtomicU64;

use crds::ClusterName;
use http::StatusCode;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter, family::Family},
    registry::Registry,
};

pub(crate) use prometheus_client::metrics::gauge::Gauge;

pub(crate) use self::{clusters::ClusterMetrics, outcomes::Outcome, resource::Resource};
use self::{clusters::Clusters, go_names::GoNames};

/// A count of things or bytes.
pub(crate) type Counter = counter::Counter<u64, AtomicU64>;

/// The metrics of one gateway.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// What is counted of each managed cluster.
    of_clusters: Clusters,
    /// Connections from the hub and from callers open now.
    pub(crate) connections: Gauge,
    /// Reviews asked of the hub's API server.
    pub(crate) reviews: Family<ReviewLabels, Counter>,
    /// Managed clusters that the gateway knows.
    pub(crate) clusters: Gauge,
    /// Agents that were refused.
    pub(crate) attach_refusals: Counter,
    /// Tunnels that ended, by reason.
    pub(crate) tunnel_ends: Family<TunnelEndLabels, Counter>,
    /// Other replicas that this one is linked to now.
    pub(crate) peer_links: Gauge,
    /// Peers that were refused because they are not replicas.
    pub(crate) peer_refusals: Counter,
    /// Pipes that were opened through another replica.
    pub(crate) pipes_passed: Counter,
    /// Requests sent to managed clusters, by the identity that they act as there.
    pub(crate) identities: Family<IdentityLabels, Counter>,
    /// Requests refused because of the caller's identity, by reason.
    pub(crate) identity_refusals: Family<IdentityRefusalLabels, Counter>,
    /// Short requests that wait for their turn.
    pub(crate) queued: Gauge,
    /// Requests refused because a limit is reached, by limit.
    pub(crate) limited: Family<LimitLabels, Counter>,
    /// Requests that the gateway itself has refused.
    refusals: Family<RefusalLabels, Counter>,
    /// Streams that were cut because their caller's access ended.
    pub(crate) streams_cut: Counter,
    /// What became of audit events.
    pub(crate) audit: AuditMetrics,
}

/// What became of audit events.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditMetrics {
    pub(crate) written: Counter,
    lost: Family<LossLabels, Counter>,
}

/// Where audit events were lost.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct LossLabels {
    at: &'static str,
}

impl AuditMetrics {
    /// Counts events that were lost at the `queue` or at the `write`.
    pub(crate) fn lost(&self, at: &'static str, events: u64) {
        self.lost.get_or_create(&LossLabels { at }).inc_by(events);
    }
}

/// How a review ended.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct ReviewLabels {
    pub(crate) result: &'static str,
}

/// How a tunnel ended.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct TunnelEndLabels {
    pub(crate) reason: &'static str,
}

/// The identity that a request acts as.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct IdentityLabels {
    pub(crate) identity: &'static str,
}

/// Why a caller's identity was refused.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct IdentityRefusalLabels {
    pub(crate) reason: &'static str,
}

/// Where a request was refused, and with which status.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RefusalLabels {
    phase: &'static str,
    code: u32,
}

/// Which limit was reached.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct LimitLabels {
    pub(crate) limit: &'static str,
}

impl Metrics {
    /// Makes the metrics and registers them, each under `gateway_`, and proxied requests also under
    /// the names of the Go program.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::new();
        registry.register_collector(Box::new(GoNames(metrics.of_clusters.clone())));
        metrics.register_under(registry.sub_registry_with_prefix("gateway"));
        metrics
    }

    /// Counts a request that the gateway itself has refused.
    pub(crate) fn refused(&self, phase: &'static str, code: StatusCode) {
        let code = u32::from(code.as_u16());
        let labels = RefusalLabels { phase, code };
        self.refusals.get_or_create(&labels).inc();
    }

    fn new() -> Self {
        Self {
            of_clusters: Clusters::default(),
            connections: Gauge::default(),
            reviews: Family::default(),
            clusters: Gauge::default(),
            attach_refusals: Counter::default(),
            tunnel_ends: Family::default(),
            peer_links: Gauge::default(),
            peer_refusals: Counter::default(),
            pipes_passed: Counter::default(),
            identities: Family::default(),
            identity_refusals: Family::default(),
            queued: Gauge::default(),
            limited: Family::default(),
            refusals: Family::default(),
            streams_cut: Counter::default(),
            audit: AuditMetrics::default(),
        }
    }

    fn register_under(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.of_clusters.clone()));
        registry.register(
            "connections",
            "Connections from callers that are open",
            self.connections.clone(),
        );
        registry.register(
            "access_reviews",
            "SubjectAccessReviews sent to the hub, by result",
            self.reviews.clone(),
        );
        registry.register(
            "clusters",
            "Managed clusters that the gateway knows",
            self.clusters.clone(),
        );
        registry.register(
            "queued_requests",
            "Short requests that wait for their turn",
            self.queued.clone(),
        );
        registry.register(
            "limited_requests",
            "Requests refused because a limit is reached, by limit",
            self.limited.clone(),
        );
        registry.register(
            "refusals",
            "Requests that the gateway itself has refused, by phase and status",
            self.refusals.clone(),
        );
        self.register_tunnels(registry);
        self.register_peers(registry);
        self.register_identity(registry);
        self.register_audit(registry);
    }

    fn register_audit(&self, registry: &mut Registry) {
        registry.register(
            "audit_events",
            "Audit events that were written",
            self.audit.written.clone(),
        );
        registry.register(
            "audit_events_lost",
            "Audit events that could not be written, by where they were lost",
            self.audit.lost.clone(),
        );
    }

    fn register_tunnels(&self, registry: &mut Registry) {
        registry.register(
            "attach_refusals",
            "Agents that were refused",
            self.attach_refusals.clone(),
        );
        registry.register(
            "tunnel_ends",
            "Tunnel connections that ended, by reason",
            self.tunnel_ends.clone(),
        );
    }

    fn register_peers(&self, registry: &mut Registry) {
        registry.register(
            "peer_links",
            "Other replicas that this one is linked to",
            self.peer_links.clone(),
        );
        registry.register(
            "peer_refusals",
            "Peers that were refused because they could not prove that they are replicas",
            self.peer_refusals.clone(),
        );
        registry.register(
            "pipes_passed",
            "Pipes to managed clusters that were opened through another replica",
            self.pipes_passed.clone(),
        );
    }

    fn register_identity(&self, registry: &mut Registry) {
        registry.register(
            "identities",
            "Requests sent to managed clusters, by the identity that they act as there",
            self.identities.clone(),
        );
        registry.register(
            "identity_refusals",
            "Requests refused because of the caller's identity, by reason",
            self.identity_refusals.clone(),
        );
        registry.register(
            "streams_cut",
            "Streams that were cut because their caller's access ended",
            self.streams_cut.clone(),
        );
    }

    /// Where a managed cluster is counted that was not known before.
    pub(crate) fn of(&self, cluster: &ClusterName) -> ClusterMetrics {
        self.of_clusters.add(cluster)
    }

    /// Forgets a managed cluster that is gone, so that label sets do not grow with history.
    pub(crate) fn forget(&self, cluster: &ClusterName) {
        self.of_clusters.forget(cluster);
    }
}

/// Something that a gauge counts while it lives.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn new(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
