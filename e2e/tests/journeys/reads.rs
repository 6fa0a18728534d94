//! kubectl reads a managed cluster through the hub.

use std::time::Duration;

use e2e::Credentials;
use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    core::v1::{ConfigMap, Namespace},
};
use kube::{Api, api::PostParams};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    SOON,
    managed::{Managed, config_map, value},
    proxy,
};

/// The time limit from the answer to a write on the spoke to the line that a watching kubectl
/// prints.
const WATCH_LAG: Duration = Duration::from_secs(1);

#[tokio::test]
async fn kubectl_prints_tables_names_yaml_and_json() {
    let managed = Managed::with_namespace("formats").await;
    let maps = managed.config_maps();
    let map = config_map("greeting", "päivää");
    maps.create(&PostParams::default(), &map).await.unwrap();

    let namespaces = managed.kubectl(&["get", "namespaces"]).ok().await.unwrap();
    let mut lines = namespaces.lines().map(|line| line.split_whitespace());
    assert!(lines.next().unwrap().eq(["NAME", "STATUS", "AGE"]));
    assert!(
        lines.any(|line| line.take(2).eq(["formats", "Active"])),
        "{namespaces}"
    );
    let directly = managed.directly(&["get", "namespace", "formats", "-o", "yaml"]);
    let through = managed.kubectl(&["get", "namespace", "formats", "-o", "yaml"]);
    assert_eq!(through.ok().await.unwrap(), directly.ok().await.unwrap());

    let get = async |format: &str| {
        let args = ["get", "configmap", "greeting", "-o", format];
        managed.kubectl(&args).ok().await.unwrap()
    };
    assert_eq!(get("name").await, "configmap/greeting\n");
    assert!(get("yaml").await.contains("\n  value: päivää\n"));
    let json: ConfigMap = serde_json::from_str(&get("json").await).unwrap();
    assert_eq!(value(&json), "päivää");
    let wide = get("wide").await;
    assert!(
        wide.lines().nth(1).unwrap().starts_with("greeting   1 "),
        "{wide}"
    );
}

#[tokio::test]
async fn label_and_field_selectors_choose() {
    let managed = Managed::with_namespace("selectors").await;
    let maps = managed.config_maps();
    for (name, tier, zone) in [("a", "web", "1"), ("b", "web", "2"), ("c", "db", "1")] {
        let mut map = config_map(name, "x");
        let labels = [("tier", tier), ("zone", zone)].map(|(key, it)| (key.into(), it.into()));
        map.metadata.labels = Some(labels.into());
        maps.create(&PostParams::default(), &map).await.unwrap();
    }
    let table: &[(&[&str], &str)] = &[
        (&["-l", "tier=web"], "a b"),
        (&["-l", "tier=web,zone!=2"], "a"),
        (&["-l", "tier in (db, web),zone notin (2)"], "a c"),
        (&["-l", "!zone,tier"], ""),
        (&["--field-selector", "metadata.name=b"], "b"),
        (
            &["--field-selector", "metadata.name!=b", "-l", "tier"],
            "a c",
        ),
    ];
    for (selector, wanted) in table {
        let args = [
            &[
                "get",
                "configmaps",
                "-o",
                "jsonpath={.items[*].metadata.name}",
            ],
            *selector,
        ];
        let seen = managed.kubectl(&args.concat()).ok().await.unwrap();
        assert_eq!(seen, *wanted, "{selector:?}");
    }
}

#[tokio::test]
async fn a_watch_shows_what_the_spoke_does_within_a_second() {
    let managed = Managed::with_namespace("watching").await;
    let maps = managed.config_maps();
    let seen = |name: &str| format!("configmap/{name}");
    let first = config_map("first", "x");
    maps.create(&PostParams::default(), &first).await.unwrap();
    let watch = ["get", "configmaps", "--watch", "-o", "name"];
    let mut watch = managed.kubectl(&watch).spawn().unwrap();
    // This proves that it watches, because the list comes first on the same stdout.
    watch
        .line_with(&seen("first"), SOON)
        .await
        .unwrap()
        .unwrap();

    let mut slowest = Duration::ZERO;
    for round in 0..5 {
        let name = format!("event-{round}");
        let map = config_map(&name, "x");
        maps.create(&PostParams::default(), &map).await.unwrap();
        let written = Instant::now();
        let line = watch.line_with(&seen(&name), WATCH_LAG).await.unwrap();
        assert!(line.is_some());
        slowest = slowest.max(written.elapsed());
    }
    watch.kill().await;
    assert!(slowest < WATCH_LAG, "{slowest:?}");
    println!("slowest of five events: {slowest:?} after the write");
}

#[tokio::test]
async fn kubectl_explains_and_lists_the_spokes_own_api() {
    let managed = Managed::with_namespace("schema").await;
    for args in [
        &["explain", "configmap.data"][..],
        &["explain", "deployments.spec.strategy", "--recursive"],
        &["api-resources", "-o", "name", "--sort-by", "name"],
        &["api-versions"],
        &["version", "-o", "json"],
    ] {
        let through = managed.kubectl(args).ok().await.unwrap();
        let directly = managed.directly(args).ok().await.unwrap();
        assert_eq!(through, directly, "{args:?}");
    }
}

#[tokio::test]
async fn kubectl_asks_the_spoke_who_it_is_and_what_it_may() {
    let managed = Managed::with_namespace("identity").await;
    let who = managed.kubectl(&[
        "auth",
        "whoami",
        "-o",
        "jsonpath={.status.userInfo.username}",
    ]);
    let gateway = "system:serviceaccount:spokeway-system:gateway";
    assert_eq!(who.ok().await.unwrap(), gateway);
    let can = managed.kubectl(&["auth", "can-i", "create", "pods"]);
    assert_eq!(can.ok().await.unwrap(), "yes\n");
    let args = ["auth", "can-i", "create", "pods", "--as", "nobody"];
    let cannot = managed.directly(&args).run().await.unwrap();
    assert_eq!(cannot.stdout, "no\n");

    managed
        .kubectl(&["create", "serviceaccount", "robot"])
        .ok()
        .await
        .unwrap();
    let token = managed.kubectl(&["create", "token", "robot", "--duration=10m"]);
    let token = Credentials::Token(token.ok().await.unwrap().trim().to_owned());
    let reviews = Api::<SelfSubjectReview>::all(managed.spoke().client_with(&token));
    let review = SelfSubjectReview::default();
    let review = reviews
        .create(&PostParams::default(), &review)
        .await
        .unwrap();
    let user = review.status.unwrap().user_info.unwrap().username.unwrap();
    assert_eq!(user, "system:serviceaccount:identity:robot");
}

/// kubectl itself decodes its arguments, so this test is not about escapes in the path. The tests
/// at the gateway's own port are.
#[tokio::test]
async fn raw_paths_and_queries_answer_as_if_asked_directly() {
    let managed = Managed::with_namespace("raw").await;
    let maps = managed.config_maps();
    for name in ["a.b", "c"] {
        let map = config_map(name, "x");
        maps.create(&PostParams::default(), &map).await.unwrap();
    }
    let paths = [
        "/healthz",
        "/healthz/",
        "/readyz?verbose&exclude=etcd",
        "/version?timeout=1s&timeout=2s",
        "/api/v1/namespaces/raw/configmaps/a.b",
        "/api/v1/namespaces/raw/configmaps/?fieldSelector=metadata.name%3Da.b",
        "/api/v1/namespaces/raw/configmaps?labelSelector=&limit=1",
        "/api/v1/namespaces/raw/configmaps?labelSelector=x%20notin%20(y,z)&resourceVersion=",
        "/api/v1/namespaces/raw/services/http:absent:80/proxy/a/b//c?d=%26",
        "/no/such/path",
        "/openapi/v3/api/v1?hash=",
        "/",
    ];
    for path in paths {
        let through = proxy("managed1", path);
        let through = managed.hub().kubectl(&["get", "--raw", &through]);
        let directly = managed.directly(&["get", "--raw", path]);
        let [through, directly] = [through.run().await.unwrap(), directly.run().await.unwrap()];
        let [left, right] = [&through, &directly].map(|it| timeless(&it.stdout));
        assert_eq!(left, right, "{path}");
        assert_eq!(through.stderr, directly.stderr, "{path}");
    }
}

/// An answer without the fields that depend on when a list was read.
fn timeless(answer: &str) -> String {
    let Ok(mut list) = serde_json::from_str::<Value>(answer) else {
        return answer.to_owned();
    };
    if list.get("items").is_some() {
        list["metadata"].take();
    }
    list.to_string()
}

#[tokio::test]
async fn many_kubectls_at_once_do_not_disturb_each_other() {
    let managed = Managed::with_namespace("crowd").await;
    let clients = (0..12).map(async |client: usize| {
        let name = format!("of-{client}");
        let value = format!("--from-literal=value={client}");
        let create = managed.kubectl(&["create", "configmap", &name, &value]);
        create.ok().await.unwrap();
        let get = ["get", "configmap", &name, "-o", "jsonpath={.data.value}"];
        let seen = managed.kubectl(&get).ok().await.unwrap();
        assert_eq!(seen, client.to_string());
    });
    futures::future::join_all(clients).await;
}

#[tokio::test]
async fn the_hubs_own_objects_stay_out_of_sight() {
    let managed = Managed::with_namespace("apart").await;
    let hubs = Api::<Namespace>::all(managed.hub().client());
    assert!(hubs.get_opt("apart").await.unwrap().is_none());
    let get = ["get", "namespace", "spokeway-credentials"];
    let absent = managed.kubectl(&get).run().await.unwrap();
    assert!(absent.stderr.contains("(NotFound)"), "{absent}");
}
