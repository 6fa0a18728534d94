//! A writer on a spoke that writes ascending numbers into a ConfigMap, and watches through the hub
//! that must see each number.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};
use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep},
};

/// The path of a watch of this ConfigMap, below a cluster's path.
pub(super) const NEWS: &str =
    "/api/v1/namespaces/default/configmaps?watch=true&fieldSelector=metadata.name%3Dnews";
const WRITE_EVERY: Duration = Duration::from_millis(50);
const RETRY: Duration = Duration::from_millis(100);

/// The results of one watcher.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// The number of events that it saw.
    pub(super) seen: u64,
    /// The number of watches that it started.
    pub(super) begun: usize,
    /// The numbers that it never saw, or saw out of order.
    pub(super) lost: Vec<u64>,
    /// The watches that did not end cleanly or could not be started.
    pub(super) broken: Vec<(Instant, String)>,
}

/// The number in a ConfigMap's data.
pub(super) fn number(data: &Value) -> u64 {
    let number = data["number"].as_str();
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Writes one number after the other until the test is over, and returns the last one.
pub(super) async fn write(spoke: Client, over: watch::Receiver<bool>) -> u64 {
    let mut last = 0;
    while !*over.borrow() {
        last += 1;
        put(&spoke, last).await;
        sleep(WRITE_EVERY).await;
    }
    last
}

/// Writes one number.
pub(super) async fn put(spoke: &Client, number: u64) -> ConfigMap {
    let maps = Api::<ConfigMap>::default_namespaced(spoke.clone());
    let map = Patch::Apply(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "news"}, "data": {"number": number.to_string()},
    }));
    let parameters = PatchParams::apply("writer").force();
    maps.patch("news", &parameters, &map).await.unwrap()
}

/// Watches from the first number until `last` has been seen. Each watch starts where the previous
/// one ended.
pub(super) async fn watch(
    client: Client,
    first: ConfigMap,
    mut last: watch::Receiver<u64>,
) -> Watched {
    let maps = Api::<ConfigMap>::default_namespaced(client);
    let parameters = WatchParams::default().fields("metadata.name=news");
    let mut version = first.metadata.resource_version.unwrap();
    let mut watched = Watched::default();
    while watched.seen < *last.borrow() {
        watched.begun += 1;
        let mut events = match maps.watch(&parameters, &version).await {
            Ok(events) => events.boxed(),
            Err(error) => {
                watched.broke(&error);
                sleep(RETRY).await;
                continue;
            }
        };
        while watched.seen < *last.borrow() {
            let event = select! {
                event = events.next() => event,
                _ = last.changed() => continue,
            };
            match event {
                Some(Ok(WatchEvent::Added(map) | WatchEvent::Modified(map))) => {
                    version = map.metadata.resource_version.clone().unwrap();
                    watched.saw(number(&json!(map.data)));
                }
                Some(Ok(WatchEvent::Bookmark(mark))) => version = mark.metadata.resource_version,
                Some(Err(error)) => {
                    watched.broke(&error);
                    break;
                }
                Some(Ok(event)) => {
                    watched.broke(&format!("{event:?}"));
                    break;
                }
                None => break,
            }
        }
    }
    watched
}

impl Watched {
    fn saw(&mut self, number: u64) {
        if number == self.seen + 1 {
            self.seen = number;
        } else {
            self.lost.extend(self.seen + 1..number);
            self.lost.extend((number <= self.seen).then_some(number));
            self.seen = self.seen.max(number);
        }
    }

    fn broke(&mut self, error: &impl ToString) {
        self.broken.push((Instant::now(), error.to_string()));
    }
}
