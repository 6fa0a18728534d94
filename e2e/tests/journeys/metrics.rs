//! Metrics of a process, as much of them as a journey asks about.

use e2e::Gateway;
use http::Request;
use kube::{Client, Config};

/// One scrape.
pub(crate) struct Metrics(String);

impl Metrics {
    pub(crate) async fn of_gateway(gateway: &Gateway) -> Self {
        let config = Config::new(gateway.admin_url().parse().unwrap());
        Self::scrape(&Client::try_from(config).unwrap()).await
    }

    pub(crate) async fn scrape(client: &Client) -> Self {
        let request = Request::get("/metrics").body(Vec::new()).unwrap();
        Self(client.request_text(request).await.unwrap())
    }

    /// The sum of the counters or gauges of this name that carry all these labels, each written as
    /// `key="value"`.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let lines = self.0.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        let values = lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
        values.sum()
    }
}
