//! Which gateways have tunnels of which clusters, according to their metrics, and since when each
//! cluster has had tunnels to two of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use http::StatusCode;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const METRIC: &str = "gateway_tunnels{";
const REQUESTS: &str = "gateway_proxied_requests_total{";
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A gateway that does not answer within this time is paused or dead.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// The gateways to ask. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Spread(Arc<Mutex<Vec<String>>>);

/// How many replicas have a tunnel of each cluster.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Held(BTreeMap<String, usize>);

/// For how long tunnels were spread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Whether each cluster has tunnels to two replicas.
    pub(super) two: Holds,
    /// Whether each cluster has tunnels to all replicas.
    pub(super) all: Holds,
}

/// For how long a condition held.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Holds {
    /// Since when the condition has held without a break.
    pub(super) since: Option<Instant>,
    /// The total time for which it did not hold.
    pub(super) lacking: Duration,
}

impl Spread {
    /// Sets the admin URLs of the gateways that are asked from now on.
    pub(super) fn of(&self, urls: Vec<String>) {
        *self.0.lock() = urls;
    }

    /// Asks every gateway. A gateway that does not answer counts as having no tunnels.
    pub(super) async fn look(&self) -> Held {
        let mut held = Held::default();
        for said in self.ask().await.into_iter().flatten() {
            for cluster in clusters(&said) {
                *held.0.entry(cluster).or_default() += 1;
            }
        }
        held
    }

    /// How many requests each has proxied so far.
    pub(super) async fn proxied(&self) -> Vec<u64> {
        let said = self.ask().await.into_iter();
        said.map(|said| total(&said.unwrap_or_default())).collect()
    }

    /// Checks repeatedly until it is dropped, and records the results.
    pub(super) async fn follow(self, names: Vec<String>, standing: Arc<Mutex<Standing>>) {
        let mut last = Instant::now();
        loop {
            let (held, all) = (self.look().await, self.0.lock().len());
            let (two, all) = (held.at(2, &names), held.at(all, &names));
            let now = Instant::now();
            standing.lock().two.note(two, last, now);
            standing.lock().all.note(all, last, now);
            last = now;
            sleep(LOOK_EVERY).await;
        }
    }

    async fn ask(&self) -> Vec<Option<String>> {
        let urls = self.0.lock().clone();
        let mut said = vec![None; urls.len()];
        let mut asked = JoinSet::new();
        for (index, url) in urls.into_iter().enumerate() {
            asked.spawn(async move { (index, timeout(ANSWERS_WITHIN, metrics(&url)).await) });
        }
        while let Some(Ok((index, answer))) = asked.join_next().await {
            said[index] = answer.ok().and_then(Result::ok);
        }
        said
    }
}

impl Held {
    /// Whether each of these clusters has tunnels to this many replicas or more.
    pub(super) fn at(&self, replicas: usize, names: &[String]) -> bool {
        let has = |name| self.0.get(name).copied().unwrap_or_default();
        names.iter().all(|name| has(name) >= replicas)
    }
}

impl Holds {
    /// Records what was seen `now`. The check before was at `last`.
    fn note(&mut self, holds: bool, last: Instant, now: Instant) {
        if holds {
            self.since.get_or_insert(now);
        } else {
            self.since = None;
            self.lacking += now - last;
        }
    }
}

/// The clusters with a tunnel to this gateway.
fn clusters(metrics: &str) -> BTreeSet<String> {
    let lines = metrics.lines().filter_map(|it| it.strip_prefix(METRIC));
    let held = lines.filter(|line| !line.ends_with(" 0"));
    let names = held.filter_map(|line| line.strip_prefix("cluster=\"")?.split('"').next());
    names.map(str::to_owned).collect()
}

/// The number of all requests.
fn total(metrics: &str) -> u64 {
    let lines = metrics.lines().filter(|it| it.starts_with(REQUESTS));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

/// The metrics at a process's admin URL.
async fn metrics(url: &str) -> anyhow::Result<String> {
    let address = url.strip_prefix("http://").context("not a plain URL")?;
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut said = String::new();
    stream.read_to_string(&mut said).await?;
    let ok = format!("HTTP/1.1 {}", StatusCode::OK.as_str());
    anyhow::ensure!(said.starts_with(&ok), "no metrics at {url}");
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
# TYPE gateway_tunnels gauge
gateway_tunnels{cluster=\"bench-0\"} 2
gateway_tunnels{cluster=\"bench-1\"} 0
gateway_tunnels{cluster=\"bench-2\"} 1
gateway_proxied_requests_total{cluster=\"bench-0\",verb=\"get\",code=\"200\"} 40
gateway_proxied_requests_total{cluster=\"bench-2\",verb=\"get\",code=\"502\"} 2
";

    #[test]
    fn metrics_tell_tunnels_and_requests() {
        assert_eq!(
            clusters(SAID).into_iter().collect::<Vec<_>>(),
            ["bench-0", "bench-2"]
        );
        assert_eq!((total(SAID), total("")), (42, 0));
    }

    #[test]
    fn two_replicas_are_more_than_one_for_each_cluster() {
        let held = |counts: [(&str, usize); 2]| {
            Held(counts.map(|(name, count)| (name.to_owned(), count)).into())
        };
        let names = ["a".to_owned(), "b".to_owned()];
        assert!(held([("a", 2), ("b", 3)]).at(2, &names));
        assert!(!held([("a", 2), ("b", 1)]).at(2, &names));
        assert!(!held([("a", 2), ("c", 2)]).at(2, &names));
    }

    #[test]
    fn a_break_begins_the_time_anew() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut two = Holds::default();
        two.note(true, begin, at(1));
        two.note(true, at(1), at(2));
        assert_eq!(two.since, Some(at(1)));
        two.note(false, at(2), at(4));
        assert_eq!(two.since, None);
        two.note(true, at(4), at(5));
        assert_eq!((two.since, two.lacking.as_secs()), (Some(at(5)), 2));
    }
}
