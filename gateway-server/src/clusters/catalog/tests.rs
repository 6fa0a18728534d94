//! What `virtualclusters` shows of the hub's objects, after `TestVirtualCluster` of cluster-gateway, and
//! what watches are told.

use crds::{
    authentication::{ManagedServiceAccount, ManagedServiceAccountSpec},
    cluster::ManagedCluster,
};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    api::{options::Options, page::Page},
    args::Egress,
    clusters::{
        Change, Clusters, Shown,
        derived::tests::{account_secret, derivation, managed_cluster},
        inventory::{Accounts, ManagedClusters, Manual, Tokens},
        secret::tests::{secret, token_secret},
        tests::{at, clusters, deriving, set},
    },
};

const ALIAS: &str = "cluster.core.oam.dev/cluster-alias";

/// Clusters of a hub whose kinds are all known.
fn known() -> Clusters {
    let clusters = clusters();
    clusters.reset::<ManagedClusters>(&[]);
    clusters
}

fn created(metadata: &mut ObjectMeta, seconds: i64) {
    let created = Timestamp::from_second(seconds).unwrap();
    metadata.creation_timestamp = Some(Time(created));
}

fn put(map: &mut Option<BTreeMap<String, String>>, key: &str, value: &str) {
    let map = map.get_or_insert_default();
    map.insert(key.to_owned(), value.to_owned());
}

fn name(name: &str) -> ClusterName {
    name.parse().unwrap()
}

fn get(clusters: &Clusters, of: &str) -> Option<Value> {
    let one = VirtualCluster::one(clusters, &name(of)).ok()?;
    Some(serde_json::to_value(&*one).unwrap())
}

async fn list(clusters: &Clusters, query: &str) -> Vec<String> {
    let listed = VirtualCluster::listed(clusters).await.unwrap();
    let options = Options::parse(Some(query)).unwrap();
    let objects = listed.objects.iter().map(AsRef::as_ref);
    let page = Page::<VirtualCluster>::of(objects, listed.revision, &options);
    let names = page.objects.iter().map(|it| it.metadata.name.clone());
    names.map(Option::unwrap).collect()
}

/// The objects of `TestVirtualCluster`.
fn test_cluster() -> Secret {
    let mut secret = secret("test-cluster", &[("endpoint", "https://10.0.0.1:6443")]);
    let credential = "cluster.core.oam.dev/cluster-credential-type";
    put(&mut secret.metadata.labels, credential, "X509Certificate");
    let endpoint = "cluster.core.oam.dev/cluster-endpoint-type";
    put(&mut secret.metadata.labels, endpoint, "Const");
    put(&mut secret.metadata.labels, "key", "value");
    put(
        &mut secret.metadata.annotations,
        ALIAS,
        "test-cluster-alias",
    );
    created(&mut secret.metadata, 1000);
    secret
}

fn ocm_cluster(name: &str, value: &str, seconds: i64) -> ManagedCluster {
    let mut cluster = managed_cluster(name, &["https://10.0.0.2:6443"]);
    put(&mut cluster.metadata.labels, "key", value);
    created(&mut cluster.metadata, seconds);
    cluster
}

#[tokio::test(start_paused = true)]
async fn it_is_as_the_test_of_cluster_gateway_has_it() {
    let clusters = known();
    clusters.apply::<Manual>(&test_cluster());
    // Without an endpoint it is no cluster, and the ManagedCluster counts.
    clusters.apply::<Manual>(&secret("ocm-cluster", &[]));
    clusters.apply::<ManagedClusters>(&ocm_cluster("ocm-cluster", "value", 2000));
    clusters.apply::<ManagedClusters>(&ocm_cluster("test-cluster", "value-dup", 2000));

    let of_secret = get(&clusters, "test-cluster").unwrap();
    assert_eq!(
        of_secret["spec"],
        json!({
            "alias": "test-cluster-alias", "accepted": true,
            "endpoint": "Const", "credential-type": "X509Certificate",
        })
    );
    assert_eq!(
        of_secret["metadata"]["labels"],
        json!({"key": "value", "cluster.core.oam.dev/control-plane": "false"})
    );
    let of_ocm = get(&clusters, "ocm-cluster").unwrap();
    assert_eq!(
        of_ocm["spec"],
        json!({"accepted": true, "endpoint": "-", "credential-type": "ManagedCluster"})
    );
    let local = get(&clusters, "local").unwrap();
    assert_eq!(
        local["spec"],
        json!({"accepted": true, "endpoint": "-", "credential-type": "Internal"})
    );
    assert_eq!(get(&clusters, "cluster-not-exist"), None);

    let all = ["local", "ocm-cluster", "test-cluster"];
    assert_eq!(list(&clusters, "").await, all);
    assert_eq!(list(&clusters, "labelSelector=key%3Dvalue").await, all[1..]);
    let role = |role| format!("labelSelector=cluster.core.oam.dev/control-plane%3D{role}");
    assert_eq!(list(&clusters, &role("false")).await, all[1..]);
    assert_eq!(list(&clusters, &role("true")).await, all[..1]);
    let one = "fieldSelector=metadata.name%3Dtest-cluster";
    assert_eq!(list(&clusters, one).await, all[2..]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_a_label_is_its_url_without_a_password() {
    let clusters = known();
    let mut given = token_secret("managed1");
    set(
        &mut given,
        "endpoint",
        "https://admin:hunter3@10.0.0.1:6443\n",
    );
    let applied = "kubectl.kubernetes.io/last-applied-configuration";
    put(&mut given.metadata.annotations, applied, "hunter2");
    clusters.apply::<Manual>(&given);
    let shown = get(&clusters, "managed1").unwrap();
    assert_eq!(shown["spec"]["endpoint"], "https://10.0.0.1:6443");
    assert_eq!(shown["spec"]["credential-type"], "ServiceAccountToken");
    assert!(!shown.to_string().contains("hunter"), "{shown}");
}

fn account(cluster: &str) -> ManagedServiceAccount {
    let mut account =
        ManagedServiceAccount::new("cluster-gateway", ManagedServiceAccountSpec::default());
    account.metadata.namespace = Some(cluster.to_owned());
    account
}

#[tokio::test(start_paused = true)]
async fn a_registered_cluster_says_whether_it_is_accepted_and_served() {
    let clusters = deriving(Some(derivation(Egress::Auto)));
    let mut registered = managed_cluster("managed1", &[]);
    registered.spec.hub_accepts_client = false;
    put(
        &mut registered.metadata.annotations,
        ALIAS,
        "Production\u{1b}[0m",
    );
    clusters.reset::<ManagedClusters>(std::slice::from_ref(&registered));
    clusters.reset::<Accounts>(&[]);
    clusters.reset::<Tokens>(&[]);
    let spec = || {
        let spec = get(&clusters, "managed1").unwrap()["spec"].take();
        let field = |key: &str| spec[key].to_string();
        ["accepted", "credential-type", "endpoint", "alias"].map(field)
    };
    let [.., alias] = spec();
    assert!(
        alias.starts_with("\"Production") && !alias.contains("\\u001b"),
        "{alias}"
    );
    assert_eq!(spec()[..3], ["false", r#""ManagedCluster""#, r#""-""#]);
    registered.spec.hub_accepts_client = true;
    clusters.apply::<ManagedClusters>(&registered);
    assert_eq!(spec()[..3], ["true", r#""ManagedCluster""#, r#""-""#]);
    clusters.apply::<Accounts>(&account("managed1"));
    clusters.apply::<Tokens>(&account_secret("managed1", "derived"));
    let served = ["true", r#""ServiceAccountToken""#, r#""ClusterProxy""#];
    assert_eq!(spec()[..3], served);
    registered.spec.hub_accepts_client = false;
    clusters.apply::<ManagedClusters>(&registered);
    assert_eq!(spec()[..3], ["false", r#""ManagedCluster""#, r#""-""#]);
    clusters.remove::<ManagedClusters>(&registered);
    assert_eq!(get(&clusters, "managed1"), None);
}

#[tokio::test(start_paused = true)]
async fn nobody_takes_the_name_of_the_hub() {
    let clusters = known();
    clusters.apply::<Manual>(&token_secret("local"));
    let local = get(&clusters, "local").unwrap();
    assert_eq!(local["spec"]["credential-type"], "Internal");
    clusters.remove::<Manual>(&token_secret("local"));
    assert_eq!(list(&clusters, "").await, ["local"]);
}

#[tokio::test(start_paused = true)]
async fn until_everything_is_read_nothing_is_listed_and_nobody_is_unknown() {
    let clusters = clusters();
    assert!(VirtualCluster::listed(&clusters).await.is_none());
    let absent = |name_: &str| VirtualCluster::one(&clusters, &name(name_)).unwrap_err();
    assert_eq!(absent("managed1").code(), 503);
    clusters.reset::<ManagedClusters>(&[]);
    let refused = absent("managed1");
    assert_eq!(refused.code(), 404);
    let status = refused.into_status();
    assert_eq!(
        status.details.unwrap().kind.as_deref(),
        Some("virtualclusters")
    );
    assert_eq!(list(&clusters, "").await, ["local"]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_changes_and_goes_is_told_with_the_revision_of_the_hub() {
    let clusters = known();
    let begin = VirtualCluster::listed(&clusters).await.unwrap();
    let told = async |from: u64| {
        tokio::time::sleep(LOOK_EVERY).await;
        let changes = VirtualCluster::changes(&clusters, from, Instant::now()).unwrap();
        let version = |it: &Option<Arc<VirtualCluster>>| {
            let it = it.as_ref()?.metadata.resource_version.clone();
            it.map(|it| it.parse::<u64>().unwrap())
        };
        let change =
            |it: &Change<VirtualCluster>| (version(&it.before), version(&it.after), it.revision);
        changes.all.iter().map(change).collect::<Vec<_>>()
    };
    let mut given = at(10, token_secret("managed1"));
    clusters.apply::<Manual>(&given);
    assert_eq!(told(begin.position).await, [(None, Some(10), 10)]);
    let then = VirtualCluster::listed(&clusters).await.unwrap();
    // A new token changes nothing of what is shown.
    set(&mut given, "token", "another");
    clusters.apply::<Manual>(&at(11, given.clone()));
    assert_eq!(told(then.position).await, []);
    set(&mut given, "endpoint", "https://10.0.0.2:6443");
    clusters.apply::<Manual>(&at(12, given.clone()));
    assert_eq!(told(then.position).await, [(Some(12), Some(12), 12)]);
    clusters.remove::<Manual>(&at(13, given));
    assert_eq!(told(then.position).await, [(Some(12), None, 13)]);
    let resumed = VirtualCluster::resume(&clusters, then.revision, Instant::now());
    assert_eq!(resumed.unwrap().all.len(), 1);
}

/// The Secret is gone, and the `ManagedCluster` is older.
#[tokio::test(start_paused = true)]
async fn two_states_of_a_cluster_never_have_one_revision() {
    let clusters = known();
    let mut registered = managed_cluster("managed1", &[]);
    registered.metadata.resource_version = Some("10".to_owned());
    clusters.apply::<ManagedClusters>(&registered);
    clusters.apply::<Manual>(&at(12, token_secret("managed1")));
    VirtualCluster::listed(&clusters).await.unwrap();
    clusters.remove::<Manual>(&at(13, token_secret("managed1")));
    VirtualCluster::listed(&clusters).await.unwrap();
    let shown = get(&clusters, "managed1").unwrap();
    assert_eq!(shown["spec"]["credential-type"], "ManagedCluster");
    assert_eq!(shown["metadata"]["resourceVersion"], "13");
}

/// It has not seen what came before it started, so it must not claim to know what came after 1, which
/// is the revision of the hub itself.
#[tokio::test(start_paused = true)]
async fn who_comes_from_an_older_replica_lists_again() {
    let clusters = known();
    clusters.apply::<Manual>(&at(10, token_secret("managed1")));
    let listed = VirtualCluster::listed(&clusters).await.unwrap();
    assert_eq!(listed.revision, 10);
    for revision in [1, 9] {
        let resumed = VirtualCluster::resume(&clusters, revision, Instant::now());
        let unknown = resumed.unwrap_err();
        assert!(matches!(unknown, Unknown::TooOld { .. }), "{unknown}");
    }
    let resumed = VirtualCluster::resume(&clusters, 10, Instant::now());
    assert!(resumed.unwrap().all.is_empty());
}
