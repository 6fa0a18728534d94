//! What is counted of each managed cluster. All of a cluster's series are in one place, which is
//! forgotten with the cluster. A request that ends later still counts there, but nobody reads it,
//! so label sets are bounded by the clusters that exist.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crds::ClusterName;
use parking_lot::RwLock;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::Gauge, histogram::Histogram},
};

use super::{
    Counter,
    outcomes::{Named, Outcome, Outcomes},
};

/// Bounds of the request histogram, in seconds: from a warm hit in a rack to a minute.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0,
];

/// The metrics of the managed clusters that exist. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Clusters {
    known: Arc<RwLock<Known>>,
    named: Named,
}

#[derive(Debug, Default)]
struct Known {
    clusters: BTreeMap<ClusterName, ClusterMetrics>,
    /// The requests to clusters that are gone.
    gone: BTreeMap<Outcome, u64>,
}

/// The metrics of one managed cluster. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct ClusterMetrics(Arc<Series>);

#[derive(Debug)]
pub(crate) struct Series {
    /// Proxied requests by outcome.
    proxied: Outcomes,
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
        let metrics = ClusterMetrics::new(self.named.clone());
        let mut known = self.known.write();
        known.remove(cluster);
        known.clusters.insert(cluster.clone(), metrics.clone());
        metrics
    }

    /// Forgets a managed cluster that is gone.
    pub(super) fn forget(&self, cluster: &ClusterName) {
        self.known.write().remove(cluster);
    }

    /// How the requests to each cluster ended.
    pub(super) fn each(
        &self,
        mut see: impl FnMut(&ClusterName, &Outcomes) -> fmt::Result,
    ) -> fmt::Result {
        let known = self.known.read();
        let mut clusters = known.clusters.iter();
        clusters.try_for_each(|(cluster, series)| see(cluster, &series.proxied))
    }

    /// How many requests to all clusters ended how, those that are gone among them.
    pub(super) fn of_all(&self) -> BTreeMap<Outcome, u64> {
        let known = self.known.read();
        let mut all = known.gone.clone();
        for series in known.clusters.values() {
            add(&mut all, &series.proxied);
        }
        all
    }
}

impl Known {
    fn remove(&mut self, cluster: &ClusterName) {
        if let Some(series) = self.clusters.remove(cluster) {
            add(&mut self.gone, &series.proxied);
        }
    }
}

fn add(sums: &mut BTreeMap<Outcome, u64>, outcomes: &Outcomes) {
    for (outcome, count) in outcomes.by(|outcome| outcome) {
        *sums.entry(outcome).or_default() += count;
    }
}

impl ClusterMetrics {
    fn new(named: Named) -> Self {
        Self(Arc::new(Series {
            proxied: Outcomes::new(named),
            seconds: Histogram::new(SECONDS),
            response_bytes: Counter::default(),
            upgrades: Gauge::default(),
            waiting: Gauge::default(),
            tunnels: Gauge::default(),
            tunnels_astray: Gauge::default(),
        }))
    }

    /// Counts one answer and how long it took to begin.
    pub(crate) fn answered(&self, outcome: Outcome, took: Duration) {
        self.0.seconds.observe(took.as_secs_f64());
        self.0.proxied.count(outcome, took);
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
        let known = self.known.read();
        let clusters = &known.clusters;
        let Some(first) = clusters.values().next() else {
            return Ok(());
        };
        for Family { name, help, of } in FAMILIES {
            let of_type = of(first).metric_type();
            let mut family = encoder.encode_descriptor(name, help, None, of_type)?;
            for (cluster, series) in clusters {
                let labels = [("cluster", cluster.as_str())];
                of(series).encode(family.encode_family(&labels)?)?;
            }
        }
        encode_proxied(clusters, encoder)
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
        for ((verb, code), count) in &series.proxied.by(Outcome::verb_and_code) {
            let labels = [
                ("cluster", cluster.as_str()),
                ("verb", verb.name()),
                ("code", code.as_str()),
            ];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use prometheus_client::registry::Registry;
    use runtime::admin::metrics_text;

    use super::*;
    use crate::{
        metrics::{Counted, Metrics, Resource},
        verb::Verb,
    };

    #[test]
    fn a_request_that_outlives_its_cluster_brings_no_series_back() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let (gone, there) = ("gone".parse().unwrap(), "there".parse().unwrap());
        let (late, of_there) = (metrics.of(&gone), metrics.of(&there));
        let took = Duration::from_millis(100);
        let got = Outcome::new(Resource::OTHER, Verb::Get, StatusCode::OK);
        for series in [&late, &of_there] {
            series.answered(got, took);
        }
        let open = Counted::new(late.upgrades.clone());
        assert!(metrics_text(&registry).contains("\"gone\""));
        metrics.forget(&gone);
        late.answered(
            Outcome::new(Resource::OTHER, Verb::Watch, StatusCode::OK),
            took,
        );
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
