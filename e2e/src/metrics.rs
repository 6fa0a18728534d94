//! Metrics of a process, as much of them as a journey asks about.

use http::Request;
use kube::Client;

use crate::{gateway::Gateway, process::readyz::plain};

/// One scrape.
#[derive(Debug)]
pub struct Metrics(String);

impl Metrics {
    /// What a gateway says of itself.
    pub async fn of_gateway(gateway: &Gateway) -> Result<Self, kube::Error> {
        Self::scrape(&plain(&gateway.admin_url())).await
    }

    /// What is at `/metrics` of the server that the client leads to.
    pub async fn scrape(client: &Client) -> Result<Self, kube::Error> {
        let request = Request::get("/metrics").body(Vec::new());
        let request = request.map_err(kube::Error::HttpError)?;
        Ok(Self(client.request_text(request).await?))
    }

    /// The sum of the counters or gauges of this name that carry all these labels, each written as
    /// `key="value"`.
    ///
    /// # Panics
    /// Where one of them is no whole number.
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
