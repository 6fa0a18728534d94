//! What the gateway counts. Label sets are bounded: verbs are an enum, codes are HTTP's, and
//! cluster names are those of clusters that exist.

use std::sync::atomic::AtomicU64;

use crds::ClusterName;
use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::verb::Verb;

/// A count of things or bytes.
pub(crate) type Counter = counter::Counter<u64, AtomicU64>;

/// Bounds of the request histogram, in seconds: from a warm hit in a rack to a minute.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0,
];

/// The metrics of one gateway.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Proxied requests by outcome.
    proxied: Family<ProxiedLabels, Counter>,
    /// Seconds until the head of a proxied answer.
    seconds: Family<ClusterLabels, Histogram, fn() -> Histogram>,
    /// Bytes of answers streamed through.
    response_bytes: Family<ClusterLabels, Counter>,
    /// Upgraded connections that are open.
    upgrades: Family<ClusterLabels, Gauge>,
    /// Requests that wait for the head of their answer now.
    waiting: Family<ClusterLabels, Gauge>,
    /// Connections from the hub and from callers open now.
    pub(crate) connections: Gauge,
    /// Reviews asked of the hub's API server.
    pub(crate) reviews: Family<ReviewLabels, Counter>,
    /// Managed clusters that the gateway knows.
    pub(crate) clusters: Gauge,
    /// Agents that were refused.
    pub(crate) attach_refusals: Counter,
    /// Tunnels of agents to this replica.
    tunnels: Family<ClusterLabels, Gauge>,
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
    /// Requests refused because too many are in flight, by limit.
    pub(crate) limited: Family<LimitLabels, Counter>,
    /// Streams that were cut because their caller's access ended.
    pub(crate) streams_cut: Counter,
}

/// The metrics of one managed cluster, looked up once.
#[derive(Clone, Debug)]
pub(crate) struct ClusterMetrics {
    cluster: ClusterLabel,
    proxied: Family<ProxiedLabels, Counter>,
    seconds: Histogram,
    /// Bytes of answers streamed through.
    pub(crate) response_bytes: Counter,
    /// Upgraded connections that are open.
    pub(crate) upgrades: Gauge,
    /// Requests that wait for the head of their answer now.
    pub(crate) waiting: Gauge,
}

/// Labels of a proxied request.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct ProxiedLabels {
    pub(crate) cluster: ClusterLabel,
    pub(crate) verb: VerbLabel,
    pub(crate) code: u16,
}

/// The cluster alone.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct ClusterLabels {
    pub(crate) cluster: ClusterLabel,
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

/// Which limit was reached.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub(crate) struct LimitLabels {
    pub(crate) limit: &'static str,
}

/// A cluster's name as a label value.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct ClusterLabel(pub(crate) ClusterName);

/// A verb as a label value.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct VerbLabel(pub(crate) Verb);

impl EncodeLabelValue for ClusterLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        self.0.as_ref().encode(encoder)
    }
}

impl EncodeLabelValue for VerbLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        self.0.name().encode(encoder)
    }
}

impl Metrics {
    /// Makes the metrics and registers them, each under `gateway_`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::new();
        metrics.register_under(registry.sub_registry_with_prefix("gateway"));
        metrics
    }

    fn new() -> Self {
        Self {
            proxied: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            response_bytes: Family::default(),
            upgrades: Family::default(),
            waiting: Family::default(),
            connections: Gauge::default(),
            reviews: Family::default(),
            clusters: Gauge::default(),
            attach_refusals: Counter::default(),
            tunnels: Family::default(),
            tunnel_ends: Family::default(),
            peer_links: Gauge::default(),
            peer_refusals: Counter::default(),
            pipes_passed: Counter::default(),
            identities: Family::default(),
            identity_refusals: Family::default(),
            limited: Family::default(),
            streams_cut: Counter::default(),
        }
    }

    fn register_under(&self, registry: &mut Registry) {
        registry.register(
            "proxied_requests",
            "Requests proxied to managed clusters",
            self.proxied.clone(),
        );
        registry.register(
            "proxied_request_duration_seconds",
            "Seconds until the response headers of a proxied request",
            self.seconds.clone(),
        );
        registry.register(
            "proxied_response_bytes",
            "Bytes of responses streamed from managed clusters",
            self.response_bytes.clone(),
        );
        registry.register(
            "upgraded_connections",
            "Upgraded connections that are open",
            self.upgrades.clone(),
        );
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
            "waiting_requests",
            "Proxied requests that are waiting for response headers",
            self.waiting.clone(),
        );
        registry.register(
            "limited_requests",
            "Requests refused because too many are in flight at the managed cluster, by limit",
            self.limited.clone(),
        );
        self.register_tunnels(registry);
        self.register_peers(registry);
        self.register_identity(registry);
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
        registry.register(
            "tunnels",
            "Tunnel connections of agents to this replica",
            self.tunnels.clone(),
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

    /// Where one managed cluster's requests are counted.
    pub(crate) fn of(&self, cluster: &ClusterName) -> ClusterMetrics {
        let cluster = ClusterLabel(cluster.clone());
        let labels = ClusterLabels {
            cluster: cluster.clone(),
        };
        ClusterMetrics {
            cluster,
            proxied: self.proxied.clone(),
            seconds: self.seconds.get_or_create_owned(&labels),
            response_bytes: self.response_bytes.get_or_create_owned(&labels),
            upgrades: self.upgrades.get_or_create_owned(&labels),
            waiting: self.waiting.get_or_create_owned(&labels),
        }
    }

    /// Counts a tunnel of a managed cluster to this replica while the answer lives.
    pub(crate) fn tunnel(&self, cluster: &ClusterName) -> Counted {
        let cluster = ClusterLabel(cluster.clone());
        Counted::new(self.tunnels.get_or_create_owned(&ClusterLabels { cluster }))
    }

    /// Forgets a managed cluster that is gone, so that label sets do not grow with history.
    pub(crate) fn forget(&self, cluster: &ClusterName) {
        let cluster = ClusterLabel(cluster.clone());
        for verb in Verb::ALL.map(VerbLabel) {
            for code in 100..600 {
                self.proxied.remove(&ProxiedLabels {
                    cluster: cluster.clone(),
                    verb,
                    code,
                });
            }
        }
        let labels = ClusterLabels { cluster };
        self.seconds.remove(&labels);
        self.response_bytes.remove(&labels);
        self.upgrades.remove(&labels);
        self.waiting.remove(&labels);
        self.tunnels.remove(&labels);
    }
}

impl ClusterMetrics {
    /// Whose they are.
    pub(crate) fn cluster(&self) -> &ClusterLabel {
        &self.cluster
    }

    /// Counts one answer and the seconds it took to begin.
    pub(crate) fn answered(&self, verb: Verb, code: StatusCode, seconds: f64) {
        let cluster = self.cluster.clone();
        let labels = ProxiedLabels {
            cluster,
            verb: VerbLabel(verb),
            code: code.as_u16(),
        };
        self.proxied.get_or_create(&labels).inc();
        self.seconds.observe(seconds);
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
