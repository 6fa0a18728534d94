//! Proxied requests under the names of the Go cluster-gateway, so that its dashboards and alerts go
//! on. The verb is that of the inner request, and the resource is bounded; there, neither is.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter},
};

use super::clusters::Clusters;

/// The same numbers as in [`Clusters`].
#[derive(Debug)]
pub(super) struct GoNames(pub(super) Clusters);

impl Collector for GoNames {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.by_cluster(&mut encoder)?;
        self.by_resource(&mut encoder)?;
        self.durations(&mut encoder)
    }
}

impl GoNames {
    fn by_cluster(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let name = "ocm_proxy_proxied_requests_by_cluster";
        let help = "Requests proxied to managed clusters, by cluster.";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        self.0.each(|cluster, outcomes| {
            for (code, count) in &outcomes.by(|it| it.verb_and_code().1) {
                let labels = [("cluster", cluster.as_str()), ("code", code.as_str())];
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
            }
            Ok(())
        })
    }

    fn by_resource(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let name = "ocm_proxy_proxied_resource_requests_by_resource";
        let help = "Requests proxied to managed clusters, by resource.";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (outcome, count) in self.0.of_all() {
            let (resource, verb, code) = outcome.labels();
            let labels = [("resource", resource), ("verb", verb), ("code", code)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn durations(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let name = "ocm_proxy_proxied_request_duration_seconds";
        let help = "Seconds until the response headers of a proxied request.";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        self.0.each(|cluster, outcomes| {
            outcomes.each(|outcome, durations| {
                let (resource, verb, code) = outcome.labels();
                let labels = [
                    ("resource", resource),
                    ("verb", verb),
                    ("cluster", cluster.as_str()),
                    ("code", code),
                ];
                let buckets = durations.buckets();
                let count = buckets.iter().map(|(_, count)| count).sum();
                family
                    .encode_family(&labels)?
                    .encode_histogram::<NoLabelSet>(durations.seconds(), count, &buckets, None)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use prometheus_client::registry::Registry;
    use runtime::admin::metrics_text;

    use crate::{
        metrics::{Metrics, Outcome, Resource},
        verb::Verb,
    };

    fn counted(registry: &Registry) -> String {
        let text = metrics_text(registry);
        let ours = text.lines().filter(|line| line.starts_with("ocm_proxy"));
        let told = ours.filter(|line| !line.contains("_bucket") || line.contains("le=\"0.02\""));
        told.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn requests_are_counted_under_the_names_of_the_go_program() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
        let (of_one, of_two) = (metrics.of(&one), metrics.of(&two));
        let took = Duration::from_millis(10);
        let pods = Resource::of("pods");
        let listed = Outcome::new(pods, Verb::List, StatusCode::OK);
        of_one.answered(listed, took);
        of_two.answered(listed, took);
        of_two.answered(
            Outcome::new(Resource::OTHER, Verb::Get, StatusCode::NOT_FOUND),
            took,
        );
        insta::assert_snapshot!(counted(&registry));
        // A cluster that is gone is not forgotten in the sum, or else the counter would go back.
        metrics.forget(&two);
        let text = counted(&registry);
        assert!(!text.contains("\"two\""), "{text}");
        let all = "by_resource_total{resource=\"pods\",verb=\"list\",code=\"200\"} 2";
        assert!(text.contains(all), "{text}");
    }
}
