//! What a watch sends and when it ends, in paused time.

use crds::cluster_core::{ClusterGateway, VirtualCluster};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::*;
use crate::{
    api::{accept::ObjectFormat, objects::tests::rendering, options::Options},
    body::Body,
    clusters::tests::{given, gone},
    follow::follower::Follower as _,
};

struct Reader {
    clusters: Arc<Clusters>,
    drain: CancellationToken,
    body: Body,
}

impl Reader {
    async fn of(clusters: Arc<Clusters>, query: &str) -> Self {
        Self::of_kind::<ClusterGateway>(clusters, query).await
    }

    async fn of_kind<K: Shown>(clusters: Arc<Clusters>, query: &str) -> Self {
        let drain = CancellationToken::new();
        let options = Options::parse(Some(&format!("watch=1&{query}"))).unwrap();
        let watch = Watch::<K>::begin(
            Arc::clone(&clusters),
            options.watch.unwrap(),
            options.selection,
            Printer {
                rendering: rendering(ObjectFormat::Json),
                clock: || Timestamp::UNIX_EPOCH,
            },
            drain.clone(),
        );
        Self {
            clusters,
            drain,
            body: Body::Watch(Box::new(watch.await.unwrap())),
        }
    }

    /// The next events, each as its type and its object's name or version; empty at the end of the
    /// watch.
    async fn next(&mut self) -> Option<Vec<String>> {
        let frame = self.body.frame().await?;
        let lines = frame.unwrap().into_data().unwrap();
        let lines = lines
            .split(|byte| *byte == b'\n')
            .filter(|it| !it.is_empty());
        let said = lines.map(|line| {
            let event: Value = serde_json::from_slice(line).unwrap();
            let object = &event["object"];
            let name = object["metadata"]["name"]
                .as_str()
                .or_else(|| object["reason"].as_str())
                .unwrap_or_default();
            format!("{} {name}", event["type"].as_str().unwrap())
        });
        Some(said.collect())
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_there_comes_first_and_then_what_changes() {
    let mut reader = Reader::of(
        given(&["a", "b"]),
        "sendInitialEvents=true&labelSelector=x!=y",
    )
    .await;
    assert_eq!(
        reader.next().await.unwrap(),
        ["ADDED a", "ADDED b", "BOOKMARK "]
    );
    gone(&reader.clusters, "a");
    assert_eq!(reader.next().await.unwrap(), ["DELETED a"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_where_a_list_ended() {
    let clusters = given(&["a"]);
    let revision = clusters.list().await.unwrap().revision;
    gone(&clusters, "a");
    let mut reader = Reader::of(clusters, &format!("resourceVersion={revision}")).await;
    assert_eq!(reader.next().await.unwrap(), ["DELETED a"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_too_old_a_version_hears_it_and_nothing_more() {
    let clusters = given(&["a"]);
    clusters.list().await;
    let mut reader = Reader::of(clusters, "resourceVersion=9").await;
    assert_eq!(reader.next().await.unwrap(), ["ERROR Expired"]);
    assert_eq!(reader.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn it_ends_in_time_and_tells_versions_meanwhile() {
    let begin = Instant::now();
    let query = "sendInitialEvents=false&allowWatchBookmarks=true&timeoutSeconds=90";
    let mut reader = Reader::of(given(&["a"]), query).await;
    assert_eq!(reader.next().await.unwrap(), ["BOOKMARK "]);
    assert!(begin.elapsed() >= BOOKMARK_EVERY);
    assert_eq!(reader.next().await, None);
    assert!(begin.elapsed() >= Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_process() {
    let mut reader = Reader::of(given(&[]), "").await;
    let drain = reader.drain.clone();
    let (next, ()) = tokio::join!(reader.next(), async { drain.cancel() });
    assert_eq!(next, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_virtual_clusters_begins_with_the_hub_and_hears_who_goes() {
    let clusters = given(&["a"]);
    clusters.managed_clusters().has_no_kind();
    let query = "sendInitialEvents=true&allowWatchBookmarks=true";
    let mut reader = Reader::of_kind::<VirtualCluster>(clusters, query).await;
    assert_eq!(
        reader.next().await.unwrap(),
        ["ADDED a", "ADDED local", "BOOKMARK "]
    );
    gone(&reader.clusters, "a");
    assert_eq!(reader.next().await.unwrap(), ["DELETED a"]);
}
