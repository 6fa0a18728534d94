//! Large amounts of data: long lists in chunks, and large objects.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use tokio::time::Instant;

use crate::managed::{Managed, config_map};

const OBJECTS: usize = 5_000;
const CHUNK: usize = 500;
const WRITERS: usize = 64;
/// The API server accepts 1 MiB at most, and etcd 1.5 MiB.
const LARGE: usize = 900 << 10;

#[tokio::test]
async fn five_thousand_objects_are_listed_in_chunks() {
    let managed = Managed::with_namespace("five-thousand").await;
    let (maps, begin) = (managed.config_maps(), Instant::now());
    let post = PostParams::default();
    let written = stream::iter((0..OBJECTS).map(|number| config_map(&format!("n-{number}"), "x")))
        .map(Ok)
        .try_for_each_concurrent(WRITERS, async |map| {
            maps.create(&post, &map).await.map(drop)
        });
    written.await.unwrap();
    let (written, begin) = (begin.elapsed(), Instant::now());

    let chunk_size = format!("--chunk-size={CHUNK}");
    let args = ["get", "configmaps", &chunk_size, "--no-headers", "-v=6"];
    let list = managed.kubectl(&args).timeout(Duration::from_mins(1));
    let list = list.run().await.unwrap();
    let rows = list.stdout.lines().filter(|row| row.starts_with("n-"));
    assert_eq!(rows.count(), OBJECTS);
    // A log line names the URL of a request once, either when it is sent or when it is answered.
    let wanted = format!("limit={CHUNK}");
    let chunks = list.stderr.lines().filter(|line| line.contains(&wanted));
    assert!(chunks.count() >= OBJECTS / CHUNK, "{}", list.stderr);
    println!(
        "{OBJECTS} written in {written:?}, listed in {:?}",
        begin.elapsed()
    );

    let namespaces = Api::<Namespace>::all(managed.spoke().client());
    let delete = DeleteParams::default();
    namespaces
        .delete(managed.namespace(), &delete)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_large_object_arrives_byte_for_byte() {
    let managed = Managed::with_namespace("large").await;
    // No two parts are alike, so that a lost or repeated one is noticed.
    let bytes: Vec<u8> = (0_u32..).flat_map(u32::to_le_bytes).take(LARGE).collect();
    let large = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"},
        "binaryData": {"blob": STANDARD.encode(&bytes)},
    });
    let create = managed.kubectl(&["create", "-f", "-"]);
    create.stdin(large.to_string()).ok().await.unwrap();
    let stored = managed.config_maps().get("large").await.unwrap();
    assert!(stored.binary_data.unwrap()["blob"].0 == bytes);

    let read = managed.kubectl(&["get", "configmap", "large", "-o", "json"]);
    let read: ConfigMap = serde_json::from_str(&read.ok().await.unwrap()).unwrap();
    assert!(read.binary_data.unwrap()["blob"].0 == bytes);
}
