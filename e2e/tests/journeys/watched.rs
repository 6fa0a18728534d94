//! Watches of the hub's list of managed clusters: those of kubectl, and those of programs, which
//! resume where they ended.

use std::{pin::Pin, time::Duration};

use crds::cluster_core::ClusterGateway;
use e2e::{Gateway, SharedGateway, SpokeOptions, eventually};
use futures::{Stream, TryStreamExt as _};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, WatchEvent, WatchParams},
    runtime::watcher::{self, Event, watcher},
};
use serde_json::json;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{SOON, proxy};

/// The shortest watch that can be requested, in seconds.
const WATCH_SECONDS: u32 = 1;

type Events = Pin<Box<dyn Stream<Item = Result<Event<ClusterGateway>, watcher::Error>>>>;

async fn register(gateway: &SharedGateway, name: &str) {
    let spoke = gateway.world.cluster("managed1");
    let options = SpokeOptions {
        name: Some(name.to_owned()),
        ..SpokeOptions::default()
    };
    gateway.register_spoke(spoke, options).await.unwrap();
}

async fn label(gateway: &SharedGateway, name: &str, value: &str) {
    let labels = Patch::Merge(json!({"metadata": {"labels": {"watched": value}}}));
    let (secrets, parameters) = (gateway.secrets(), PatchParams::default());
    secrets.patch(name, &parameters, &labels).await.unwrap();
}

/// The next event of a cluster in one word, and whether the cluster is healthy.
async fn next(events: &mut Events, name: &str) -> (&'static str, Option<bool>) {
    let next = async {
        while let Some(event) = events.try_next().await.unwrap() {
            let (what, cluster) = match &event {
                Event::Apply(cluster) => ("applied", cluster),
                Event::Delete(cluster) => ("deleted", cluster),
                Event::InitApply(cluster) => ("listed", cluster),
                Event::Init | Event::InitDone => continue,
            };
            if cluster.metadata.name.as_deref() == Some(name) {
                return (what, cluster.status.as_ref().map(|it| it.healthy));
            }
        }
        panic!("the informer ended");
    };
    timeout(SOON, next).await.expect("an event")
}

#[tokio::test]
async fn kubectl_shows_who_comes_changes_and_goes() {
    let gateway = Gateway::shared().await;
    let watch = [
        "get",
        "clustergateways",
        // Not --watch-only, because an event may come before kubectl watches.
        "--watch",
        "--output-watch-events",
        "-l",
        "watched=kubectl",
    ];
    let watch = gateway.hub().kubectl(&watch);
    let mut watch = watch.timeout(Duration::from_mins(1)).spawn().unwrap();
    // kubectl prints nothing before the first event, and a cluster that is not selected causes
    // none.
    for name in ["watched-1", "watched-2"] {
        register(&gateway, name).await;
    }
    label(&gateway, "watched-2", "kubectl").await;
    let head = watch.line(SOON).await.unwrap().unwrap();
    assert!(
        head.starts_with("EVENT ") && head.contains(" HEALTHY "),
        "{head}"
    );
    let row = watch.line(SOON).await.unwrap().unwrap();
    assert!(
        row.starts_with("ADDED ") && row.contains(" watched-2 "),
        "{row}"
    );
    label(&gateway, "watched-2", "no-more").await;
    let row = watch.line(SOON).await.unwrap().unwrap();
    assert!(
        row.starts_with("DELETED ") && row.contains(" watched-2 "),
        "{row}"
    );
    for name in ["watched-1", "watched-2"] {
        gateway.unregister_spoke(name).await.unwrap();
    }
}

#[tokio::test]
async fn an_informer_misses_nothing_and_goes_on_when_its_watch_ends() {
    let gateway = Gateway::shared().await;
    for (name, config) in [
        ("informed-1", watcher::Config::default()),
        ("informed-2", watcher::Config::default().streaming_lists()),
    ] {
        register(&gateway, name).await;
        let config = config.timeout(WATCH_SECONDS);
        let mut events: Events = Box::pin(watcher(api(gateway.hub().client()), config));
        assert_eq!(next(&mut events, name).await, ("listed", None));
        // What was seen on its first request does not change any object on the hub.
        let healthz = ["get", "--raw", &proxy(name, "/healthz")];
        gateway.hub().kubectl(&healthz).ok().await.unwrap();
        assert_eq!(next(&mut events, name).await, ("applied", Some(true)));
        // When its watch ends and goes on, a change may be told twice, but nothing is listed again.
        let end = Instant::now() + Duration::from_secs(2 * u64::from(WATCH_SECONDS));
        while let Ok(event) = timeout_at(end, next(&mut events, name)).await {
            assert_eq!(event, ("applied", Some(true)), "it lists again");
        }
        gateway.unregister_spoke(name).await.unwrap();
        assert_eq!(next(&mut events, name).await, ("deleted", Some(true)));
    }
}

fn api(client: Client) -> Api<ClusterGateway> {
    Api::all(client)
}

#[tokio::test]
async fn a_version_of_another_gateway_is_told_to_be_none() {
    let gateway = Gateway::shared().await;
    let api = api(gateway.hub().client());
    let watch = api.watch(&WatchParams::default(), "1").await;
    let mut watch = Box::pin(watch.unwrap());
    let told = match timeout(SOON, watch.try_next()).await {
        Ok(Ok(Some(WatchEvent::Error(status)))) => status,
        seen => panic!("{seen:?}"),
    };
    assert_eq!((told.code, told.reason.as_str()), (410, "Expired"));
    assert!(watch.try_next().await.unwrap().is_none());
}

/// This matters for scripts: only a request, or a health check, opens a connection.
#[tokio::test]
async fn kubectl_waits_until_a_cluster_is_healthy() {
    let gateway = Gateway::shared().await;
    register(&gateway, "awaited").await;
    let wait = [
        "wait",
        "clustergateway/awaited",
        "--for=jsonpath={.status.healthy}=true",
        "--timeout=20s",
    ];
    let wait = gateway.hub().kubectl(&wait).spawn().unwrap();
    let healthz = ["get", "--raw", &proxy("awaited", "/healthz")];
    gateway.hub().kubectl(&healthz).ok().await.unwrap();
    let waited = wait.wait().await;
    assert!(waited.stdout.contains("condition met"), "{waited}");
    gateway.unregister_spoke("awaited").await.unwrap();
}

/// As at any API server, a user who may list and watch one object selects it by its name.
#[tokio::test]
async fn who_may_see_one_cluster_lists_and_watches_that_one() {
    let gateway = Gateway::shared().await;
    let hub = gateway.hub();
    let create = [
        "create",
        "clusterrole",
        "sees-one",
        "--verb=list,watch",
        "--resource=clustergateways.cluster.core.oam.dev",
        "--resource-name=managed1",
    ];
    hub.kubectl(&create).ok().await.unwrap();
    let bind = [
        "create",
        "clusterrolebinding",
        "sees-one",
        "--clusterrole=sees-one",
        "--user=sees-one",
    ];
    hub.kubectl(&bind).ok().await.unwrap();
    let identity = hub.certificate_of("sees-one", &[]).unwrap();
    let kubeconfig =
        hub.write_kubeconfig("sees-one.kubeconfig", hub.url(), &hub.ca_pem(), &identity);
    let kubeconfig = kubeconfig.unwrap();
    let one = [
        "get",
        "clustergateways",
        "-o",
        "name",
        "--field-selector",
        "metadata.name=managed1",
    ];
    let seen = eventually(SOON, "the hub to know its RBAC", || async {
        hub.kubectl_with(&kubeconfig, &one).ok().await
    });
    assert_eq!(
        seen.await.unwrap().trim(),
        "clustergateway.cluster.core.oam.dev/managed1"
    );
    let watch = [&one[..], &["-w"]].concat();
    let watch = hub.kubectl_with(&kubeconfig, &watch);
    let mut watch = watch.timeout(Duration::from_mins(1)).spawn().unwrap();
    let line = watch.line(SOON).await.unwrap().unwrap();
    assert!(line.ends_with("/managed1"), "{line}");
    for all in [
        &["get", "clustergateways"][..],
        &["get", "clustergateways", "-w"],
    ] {
        let refused = hub.kubectl_with(&kubeconfig, all).run().await.unwrap();
        assert!(refused.stderr.contains("(Forbidden)"), "{refused}");
    }
}
