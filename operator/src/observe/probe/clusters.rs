//! Watches through the hub what the gateway reports about clusters. If the watch fails, the last
//! report stays.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use crds::cluster_core::ClusterGateway;
use futures::StreamExt as _;
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use kubernetes::words::clipped;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tracing::debug;

use super::Answer;
use crate::{observe::watch::Pauses, observed::GatewaySeen};

/// Changes within this time are reported together.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How many of the account's rights on a cluster are kept.
const EXCESS_TOLD: usize = 4;

/// The clusters as the gateway has reported them.
#[derive(Debug, Default)]
struct Told {
    seen: BTreeMap<String, GatewaySeen>,
    /// The clusters of a list that is not complete yet.
    listed: BTreeMap<String, GatewaySeen>,
    is_news: bool,
}

/// Reports the gateway's clusters until the receiver is gone.
pub(crate) async fn clusters(client: Client, answers: mpsc::Sender<Answer>) {
    let api = Api::<ClusterGateway>::all(client);
    let mut events = pin!(watcher(api, watcher::Config::default()).backoff(Pauses::default()));
    let (mut told, mut ticks) = (Told::default(), interval(TELL_EVERY));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => told.hear(event),
                Some(Err(error)) => debug!(%error, "cannot watch the clusters of the gateway"),
                None => return,
            },
            _ = ticks.tick(), if told.is_news => {
                told.is_news = false;
                let answer = Answer::Clusters(told.seen.clone());
                if answers.send(answer).await.is_err() {
                    return;
                }
            }
        }
    }
}

impl Told {
    fn hear(&mut self, event: Event<ClusterGateway>) {
        match event {
            Event::Init => return self.listed.clear(),
            Event::InitApply(cluster) => return self.listed.extend(named(cluster)),
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed).into_iter();
                let after = |(name, seen): (String, GatewaySeen)| {
                    let seen = seen.after(self.seen.get(&name));
                    (name, seen)
                };
                self.seen = listed.map(after).collect();
            }
            Event::Apply(cluster) => {
                if let Some((name, seen)) = named(cluster) {
                    let seen = seen.after(self.seen.get(&name));
                    self.seen.insert(name, seen);
                }
            }
            Event::Delete(cluster) => {
                if let Some((name, _)) = named(cluster) {
                    self.seen.remove(&name);
                }
            }
        }
        self.is_news = true;
    }
}

fn named(cluster: ClusterGateway) -> Option<(String, GatewaySeen)> {
    let status = cluster.status.unwrap_or_default();
    let seen = GatewaySeen {
        is_healthy: status.healthy,
        reason: clipped(&status.healthy_reason),
        excess: status.excess_rights.map(|excess| {
            let words = excess.iter().take(EXCESS_TOLD);
            words.map(|it| clipped(it)).collect()
        }),
    };
    Some((cluster.metadata.name?, seen))
}

impl GatewaySeen {
    /// A replica of the gateway that has just started does not know the account's rights. What another
    /// one said of them still counts then.
    fn after(self, before: Option<&Self>) -> Self {
        let excess = self.excess.or_else(|| before?.excess.clone());
        Self { excess, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster(name: &str, is_healthy: bool) -> ClusterGateway {
        let object = json!({
            "metadata": {"name": name},
            "spec": {"access": {
                "endpoint": {"type": "ClusterProxy"}, "credential": {"type": "ServiceAccountToken"},
            }},
            "status": {"healthy": is_healthy, "healthyReason": ""},
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_list_counts_once_it_is_whole_and_changes_at_once() {
        let mut told = Told::default();
        for event in [
            Event::Init,
            Event::InitApply(cluster("a", true)),
            Event::InitApply(cluster("b", true)),
        ] {
            told.hear(event);
        }
        assert!(told.seen.is_empty());
        told.hear(Event::InitDone);
        told.hear(Event::Apply(cluster("a", false)));
        told.hear(Event::Delete(cluster("b", true)));
        let seen = told.seen.iter();
        let seen: Vec<_> = seen
            .map(|(name, seen)| (name.as_str(), seen.is_healthy))
            .collect();
        assert_eq!(seen, [("a", false)]);
        assert!(told.is_news);

        told.is_news = false;
        told.hear(Event::Init);
        told.hear(Event::InitApply(cluster("c", true)));
        assert!(!told.is_news && told.seen.contains_key("a"));
    }
}
