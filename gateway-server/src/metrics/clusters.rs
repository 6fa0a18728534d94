//! What is counted of each managed cluster. All of a cluster's series are in one place, which is
//! forgotten with the cluster. A request that ends later still counts there, but nobody reads it,
//! so label sets are bounded by the clusters that exist.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use crds::ClusterName;
use http::StatusCode;
use parking_lot::RwLock;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::Gauge, histogram::Histogram},
};

use super::Counter;
use crate::verb::Verb;

/// Bounds of the request histogram, in seconds: from a warm hit in a rack to a minute.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0,
];

/// The metrics of the managed clusters that exist. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Clusters(Arc<RwLock<BTreeMap<ClusterName, ClusterMetrics>>>);

/// The metrics of one managed cluster. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct ClusterMetrics(Arc<Series>);

#[derive(Debug)]
pub(crate) struct Series {
    /// Proxied requests by outcome.
    proxied: RwLock<HashMap<(Verb, StatusCode), Counter>>,
    /// Seconds until the head of a proxied answer.
    seconds: Histogram,
    /// Bytes of answers streamed through.
    pub(crate) response_bytes: Counter,
    /// Upgraded connections that are open.
    pub(crate) upgrades: Gauge,
    /// Requests that wait for the head of their answer now.
    pub(crate) waiting: Gauge,
    /// Tunnels of agents to this replica.
    pub(crate) tunnels: Gauge,
    /// Those of them that do not lead to its API server.
    pub(crate) tunnels_astray: Gauge,
}

impl Clusters {
    /// Where a managed cluster is counted that was not known before.
    pub(super) fn add(&self, cluster: &ClusterName) -> ClusterMetrics {
        let metrics = ClusterMetrics::new();
        self.0.write().insert(cluster.clone(), metrics.clone());
        metrics
    }

    /// Forgets a managed cluster that is gone.
    pub(super) fn forget(&self, cluster: &ClusterName) {
        self.0.write().remove(cluster);
    }
}

impl ClusterMetrics {
    fn new() -> Self {
        Self(Arc::new(Series {
            proxied: RwLock::default(),
            seconds: Histogram::new(SECONDS),
            response_bytes: Counter::default(),
            upgrades: Gauge::default(),
            waiting: Gauge::default(),
            tunnels: Gauge::default(),
            tunnels_astray: Gauge::default(),
        }))
    }

    /// Counts one answer and the seconds it took to begin.
    pub(crate) fn answered(&self, verb: Verb, code: StatusCode, seconds: f64) {
        self.0.seconds.observe(seconds);
        let outcome = (verb, code);
        if let Some(counter) = self.0.proxied.read().get(&outcome) {
            counter.inc();
            return;
        }
        self.0.proxied.write().entry(outcome).or_default().inc();
    }
}

impl std::ops::Deref for ClusterMetrics {
    type Target = Series;

    fn deref(&self) -> &Series {
        &self.0
    }
}

/// One metric of every cluster.
struct Family {
    name: &'static str,
    help: &'static str,
    of: fn(&Series) -> &dyn EncodeMetric,
}

const fn family(
    name: &'static str,
    help: &'static str,
    of: fn(&Series) -> &dyn EncodeMetric,
) -> Family {
    Family { name, help, of }
}

const FAMILIES: [Family; 6] = [
    family(
        "proxied_request_duration_seconds",
        "Seconds until the response headers of a proxied request.",
        |series| &series.seconds,
    ),
    family(
        "proxied_response_bytes",
        "Bytes of responses streamed from managed clusters.",
        |series| &series.response_bytes,
    ),
    family(
        "upgraded_connections",
        "Upgraded connections that are open.",
        |series| &series.upgrades,
    ),
    family(
        "waiting_requests",
        "Proxied requests that are waiting for response headers.",
        |series| &series.waiting,
    ),
    family(
        "tunnels",
        "Tunnel connections of agents to this replica.",
        |series| &series.tunnels,
    ),
    family(
        "tunnels_astray",
        "Tunnel connections to this replica that do not lead to the API server of their cluster.",
        |series| &series.tunnels_astray,
    ),
];

impl Collector for Clusters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let clusters = self.0.read();
        let Some(first) = clusters.values().next() else {
            return Ok(());
        };
        for Family { name, help, of } in FAMILIES {
            let of_type = of(first).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, of_type)?;
            for (cluster, series) in clusters.iter() {
                let labels = [("cluster", cluster.as_str())];
                of(series).encode(family.encode_family(&labels)?)?;
            }
        }
        encode_proxied(&clusters, encoder)
    }
}

fn encode_proxied(
    clusters: &BTreeMap<ClusterName, ClusterMetrics>,
    mut encoder: DescriptorEncoder<'_>,
) -> fmt::Result {
    let name = "proxied_requests";
    let help = "Requests proxied to managed clusters.";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (cluster, series) in clusters {
        for ((verb, code), counter) in series.proxied.read().iter() {
            let labels = [
                ("cluster", cluster.as_str()),
                ("verb", verb.name()),
                ("code", code.as_str()),
            ];
            counter.encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use runtime::admin::metrics_text;

    use super::*;
    use crate::metrics::{Counted, Metrics};

    #[test]
    fn a_request_that_outlives_its_cluster_brings_no_series_back() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let (gone, there) = ("gone".parse().unwrap(), "there".parse().unwrap());
        let (late, of_there) = (metrics.of(&gone), metrics.of(&there));
        for series in [&late, &of_there] {
            series.answered(Verb::Get, StatusCode::OK, 0.1);
        }
        let open = Counted::new(late.upgrades.clone());
        assert!(metrics_text(&registry).contains("\"gone\""));
        metrics.forget(&gone);
        late.answered(Verb::Watch, StatusCode::OK, 0.1);
        late.response_bytes.inc_by(10);
        drop(open);
        let text = metrics_text(&registry);
        assert!(!text.contains("\"gone\""), "{text}");
        let wanted =
            "gateway_proxied_requests_total{cluster=\"there\",verb=\"get\",code=\"200\"} 1";
        assert!(text.contains(wanted), "{text}");
        // Its successor begins from nothing.
        let next = metrics.of(&gone);
        assert_eq!((next.upgrades.get(), next.response_bytes.get()), (0, 0));
        assert!(metrics_text(&registry).contains("\"gone\""));
    }
}
