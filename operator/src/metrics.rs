//! The operator's metrics. No label has the name of a cluster, because label sets must be bounded.
//! The configuration's status names the clusters in trouble.

use std::time::Duration;

use crds::gateway::ClusterCounts;
use jiff::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::{key::Key, kind::Kind};

/// The buckets of the histogram in seconds, from a plan without a write to a write that timed out.
const SECONDS: [f64; 10] = [0.0005, 0.0025, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0];

/// The metrics. Clones share their counters.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    reconciles: Family<Reconcile, Counter>,
    seconds: Family<KeyLabel, Histogram, fn() -> Histogram>,
    /// How many keys wait to be planned.
    pub(crate) queued: Gauge,
    writes: Family<Write, Counter>,
    leading: Gauge,
    clusters: Family<ClusterState, Gauge>,
    hub_reconciled: Gauge,
}

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// There was nothing to write.
    Unchanged,
    Written,
    /// A write failed.
    Failed,
    /// Somebody else changes the object back again and again.
    Contested,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Reconcile {
    key: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct KeyLabel {
    key: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct Write {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq, EncodeLabelSet)]
struct ClusterState {
    state: &'static str,
}

impl Metrics {
    /// Creates the metrics and registers them with the prefix `operator_`.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconciles: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            queued: Gauge::default(),
            writes: Family::default(),
            leading: Gauge::default(),
            clusters: Family::default(),
            hub_reconciled: Gauge::default(),
        };
        metrics.register_in(registry.sub_registry_with_prefix("operator"));
        metrics
    }

    fn register_in(&self, registry: &mut Registry) {
        let help = "Reconciles, by the part of the hub they were for and by result";
        registry.register("reconciles", help, self.reconciles.clone());
        let help = "Time from the start of a reconcile to the response to its last write";
        let (name, unit) = ("reconcile_duration", Unit::Seconds);
        registry.register_with_unit(name, help, unit, self.seconds.clone());
        let help = "Keys that wait to be reconciled, including those that are due later";
        registry.register("queue_depth", help, self.queued.clone());
        let help = "Writes to the hub's API server, by kind of object and result";
        registry.register("writes", help, self.writes.clone());
        let help = "1 while this process is the leader";
        registry.register("leading", help, self.leading.clone());
        let help = "Selected clusters by state, as in the status of the GatewayConfiguration";
        registry.register("clusters", help, self.clusters.clone());
        let help = "Unix time when the objects shared by all clusters were last found in the desired \
                    state, which is checked every minute; 0 if never";
        let name = "hub_reconciled_timestamp_seconds";
        registry.register(name, help, self.hub_reconciled.clone());
    }

    /// Counts a reconcile, and records the time of the hub's last successful one.
    pub(crate) fn reconciled(&self, key: &Key, ended: Ended, took: Duration, now: Timestamp) {
        let (key, is_hub) = match key {
            Key::Hub => ("hub", true),
            Key::Cluster(_) => ("cluster", false),
            Key::Access(_) => ("access", false),
            Key::Grant(_) => ("grant", false),
            Key::Status => ("status", false),
        };
        let result = match ended {
            Ended::Unchanged => "unchanged",
            Ended::Written => "written",
            Ended::Failed => "failed",
            Ended::Contested => "contested",
        };
        let reconcile = Reconcile { key, result };
        self.reconciles.get_or_create(&reconcile).inc();
        let seconds = self.seconds.get_or_create(&KeyLabel { key });
        seconds.observe(took.as_secs_f64());
        if is_hub && matches!(ended, Ended::Unchanged | Ended::Written) {
            self.hub_reconciled.set(now.as_second());
        }
    }

    /// Counts a write. `failed` is the reason if it failed.
    pub(crate) fn wrote(&self, kind: Kind, failed: Option<&'static str>) {
        let write = Write {
            kind: kind.as_str(),
            result: failed.unwrap_or("ok"),
        };
        self.writes.get_or_create(&write).inc();
    }

    /// Records whether this process is the leader.
    pub(crate) fn leads(&self, leads: bool) {
        self.leading.set(leads.into());
    }

    /// Records how many clusters there are.
    pub(crate) fn count(&self, counts: ClusterCounts) {
        let ClusterCounts {
            total,
            connected,
            ready,
        } = counts;
        for (state, count) in [("total", total), ("connected", connected), ("ready", ready)] {
            let gauge = self.clusters.get_or_create(&ClusterState { state });
            gauge.set(count.into());
        }
    }
}
