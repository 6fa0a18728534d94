//! Whether this replica reaches each managed cluster, as it is when somebody asks.

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
};

use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::{MetricType, gauge::ConstGauge},
};
use prometheus_client::{encoding::EncodeMetric as _, registry::Registry};

use crate::clusters::Clusters;

/// The clusters, once there are any. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Up(Arc<OnceLock<Weak<Clusters>>>);

impl Up {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let up = Self::default();
        let registry = registry.sub_registry_with_prefix("gateway");
        registry.register_collector(Box::new(up.clone()));
        up
    }

    /// These are the clusters to tell of.
    pub(crate) fn tell(&self, clusters: &Arc<Clusters>) {
        // It is told once in the life of a process.
        let _ = self.0.set(Arc::downgrade(clusters));
    }
}

impl Collector for Up {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(clusters) = self.0.get().and_then(Weak::upgrade) else {
            return Ok(());
        };
        let help = "1 if this replica reaches the managed cluster, 0 if it does not; absent if it has not tried.";
        let mut family = encoder.encode_descriptor("cluster_up", help, None, MetricType::Gauge)?;
        for (name, is_up) in clusters.reached_here() {
            let labels = [("cluster", name.as_str())];
            let gauge = ConstGauge::new(i64::from(is_up));
            gauge.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
