//! kube's informer on a managed cluster, through the hub and the gateway.

use std::pin::{Pin, pin};

use e2e::{Gateway, Metrics, SpokeOptions, eventually};
use futures::{Stream, TryStreamExt as _};
use http::Request;
use k8s_openapi::api::core::{self, v1::ConfigMap};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    runtime::watcher::{self, Event, watcher},
};
use serde_json::json;
use tokio::{select, time::timeout};

use crate::{
    SOON,
    managed::{Managed, client, config_map, edited_kubeconfig, value},
};

/// The shortest watch that can be requested, in seconds.
const WATCH_SECONDS: u32 = 1;
const CLUSTER: &str = "informed";

type Events = Pin<Box<dyn Stream<Item = Result<Event<ConfigMap>, watcher::Error>>>>;

/// The next event of the object, as one word and its value.
async fn next(events: &mut Events, name: &str) -> String {
    let next = async {
        while let Some(event) = events.try_next().await.unwrap() {
            let (what, map) = match &event {
                Event::Apply(map) => ("applied", map),
                Event::Delete(map) => ("deleted", map),
                Event::Init | Event::InitApply(_) => panic!("it lists again: {event:?}"),
                Event::InitDone => continue,
            };
            if map.metadata.name.as_deref() == Some(name) {
                return format!("{what} {}", value(map));
            }
        }
        panic!("the informer ended");
    };
    timeout(SOON, next).await.expect("an event")
}

async fn listed(events: &mut Events) {
    let listed =
        async { while !matches!(events.try_next().await.unwrap(), Some(Event::InitDone)) {} };
    timeout(SOON, listed).await.expect("a list");
}

fn informer(client: Client, namespace: &str) -> Events {
    let config = watcher::Config::default().timeout(WATCH_SECONDS);
    Box::pin(watcher(Api::namespaced(client, namespace), config))
}

#[tokio::test]
async fn an_informer_sees_every_change_and_goes_on_when_its_watch_ends() {
    let managed = Managed::with_namespace("informer").await;
    // A name of its own, so that the gateway counts its watches separately.
    let options = SpokeOptions {
        name: Some(CLUSTER.to_owned()),
        ..SpokeOptions::default()
    };
    managed
        .gateway
        .register_spoke(managed.spoke(), options)
        .await
        .unwrap();
    let kubeconfig = edited_kubeconfig(managed.hub(), CLUSTER, "informer");
    let client = client(&kubeconfig).await;
    let maps = managed.config_maps();
    let mut events = informer(client, managed.namespace());
    listed(&mut events).await;

    for round in 0..3 {
        let name = format!("seen-{round}");
        let created = config_map(&name, "new");
        maps.create(&PostParams::default(), &created).await.unwrap();
        assert_eq!(next(&mut events, &name).await, "applied new");
        let patch = Patch::Merge(json!({"data": {"value": "changed"}}));
        maps.patch(&name, &PatchParams::default(), &patch)
            .await
            .unwrap();
        assert_eq!(next(&mut events, &name).await, "applied changed");
        maps.delete(&name, &DeleteParams::default()).await.unwrap();
        assert_eq!(next(&mut events, &name).await, "deleted changed");

        let watches = watches(&managed.gateway).await;
        select! {
            () = watches_beyond(&managed.gateway, watches) => {}
            event = next(&mut events, "nothing") => panic!("{event}"),
        }
    }
}

async fn watches(gateway: &Gateway) -> u64 {
    let cluster = format!("cluster=\"{CLUSTER}\"");
    let labels = [cluster.as_str(), "verb=\"watch\"", "code=\"200\""];
    let metrics = Metrics::of_gateway(gateway).await.unwrap();
    metrics.sum("gateway_proxied_requests_total", &labels)
}

/// Waits until the spoke has ended the watch and the informer has started another one.
async fn watches_beyond(gateway: &Gateway, before: u64) {
    eventually(SOON, "another watch", || async {
        let now = watches(gateway).await;
        if now > before {
            Ok(())
        } else {
            Err(format!("{now} watches"))
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_expired_resource_version_is_told_as_the_spoke_tells_it() {
    let managed = Managed::with_namespace("expired").await;
    // It must not go further than this, because others list and watch at newer revisions.
    compact(managed.gateway.world.etcd_url(), 10).await;
    let kubeconfig = edited_kubeconfig(managed.hub(), "managed1", "expired");
    let client = client(&kubeconfig).await;
    // Events are the only kind that is watched in etcd and not in the API server's cache.
    let events = Api::<core::v1::Event>::namespaced(client, managed.namespace());
    let watch = events.watch(&WatchParams::default(), "1").await;
    let told = match timeout(SOON, pin!(watch.unwrap()).try_next()).await {
        Ok(Ok(Some(WatchEvent::Error(status)))) => status,
        seen => panic!("{seen:?}"),
    };
    assert_eq!((told.code, told.reason.as_str()), (410, "Expired"));
}

/// Makes etcd forget everything before a revision, as API servers do every five minutes.
async fn compact(etcd: &str, revision: u64) {
    let client = Client::try_from(Config::new(etcd.parse().unwrap())).unwrap();
    let body = json!({"revision": revision.to_string()}).to_string();
    let request = Request::post("/v3/kv/compaction").body(body.into_bytes());
    client.request_text(request.unwrap()).await.unwrap();
}
