//! Reads the metrics of a process.

use http::Request;
use kube::Client;

use crate::{gateway::Gateway, process::readyz::plain};

/// One scrape.
#[derive(Debug)]
pub struct Metrics(String);

impl Metrics {
    /// The metrics of a gateway.
    pub async fn of_gateway(gateway: &Gateway) -> Result<Self, kube::Error> {
        Self::scrape(&plain(&gateway.admin_url())).await
    }

    /// The metrics at `/metrics` of the client's server.
    pub async fn scrape(client: &Client) -> Result<Self, kube::Error> {
        let request = Request::get("/metrics").body(Vec::new());
        let request = request.map_err(kube::Error::HttpError)?;
        Ok(Self(client.request_text(request).await?))
    }

    /// The sum of the counters or gauges of this name that have all these labels. A label is
    /// written `key="value"`.
    ///
    /// # Panics
    /// If one of them is not an integer.
    pub fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let lines = self.0.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        let values = lines.filter_map(|line| line.rsplit(' ').next());
        values
            .map(|value| value.parse::<u64>().expect("a whole number"))
            .sum()
    }
}
