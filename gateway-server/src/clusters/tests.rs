//! What becomes of clusters when their objects on the hub change.

use crds::authentication::ManagedServiceAccount;
use k8s_openapi::api::core::v1::Secret;

use super::*;
use crate::args::Egress;
use crate::{
    clusters::{
        derived::tests::{account_secret, derivation, managed_cluster},
        inventory::{Accounts, ManagedClusters, Manual, Tokens},
        secret::tests::{secret, token_secret},
    },
    upstream::Upstream,
};

pub(super) fn clusters() -> Clusters {
    deriving(None)
}

/// Clusters of these names, written at revisions from 11 on.
pub(crate) fn given(names: &[&str]) -> Arc<Clusters> {
    let clusters = clusters();
    for (name, revision) in names.iter().zip(11..) {
        clusters.apply::<Manual>(&at(revision, token_secret(name)));
    }
    Arc::new(clusters)
}

/// A cluster that is derived from its `ManagedCluster`.
pub(crate) fn given_derived(name: &str) -> Clusters {
    let clusters = deriving(Some(derivation(Egress::Direct)));
    let mut registered = managed_cluster(name, &["https://10.0.0.9:6443"]);
    let created = jiff::Timestamp::UNIX_EPOCH;
    registered.metadata.creation_timestamp = Some(
        k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(created),
    );
    clusters.reset::<ManagedClusters>(&[registered]);
    clusters.reset::<Accounts>(&[]);
    clusters.reset::<Tokens>(&[account_secret(name, "derived")]);
    clusters
}

/// Takes one away, at a revision after all others.
pub(crate) fn gone(clusters: &Clusters, name: &str) {
    let revision = clusters.feed.lock().newest() + 1;
    clusters.remove::<Manual>(&at(revision, token_secret(name)));
}

/// As the hub has it after it was written at that revision.
pub(super) fn at(revision: u64, mut secret: Secret) -> Secret {
    secret.metadata.resource_version = Some(revision.to_string());
    secret
}

pub(super) fn deriving(derivation: Option<Derivation>) -> Clusters {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
    let tasks = TaskTracker::new();
    let tunnels = Tunnels::new(0, 0);
    let clusters = Clusters::new(derivation, metrics, tunnels, tasks);
    clusters.reset::<Manual>(&[]);
    clusters
}

fn access(clusters: &Clusters, name: &str) -> Access {
    let cluster = clusters.find(&name.parse().unwrap()).unwrap();
    cluster.access.clone().unwrap()
}

fn upstream(clusters: &Clusters, name: &str) -> Arc<Upstream> {
    access(clusters, name).way.current()
}

#[tokio::test]
async fn a_new_token_keeps_connections_and_a_new_address_does_not() {
    let clusters = clusters();
    let mut given = token_secret("managed1");
    clusters.apply::<Manual>(&given);
    let (first, token) = (
        upstream(&clusters, "managed1"),
        access(&clusters, "managed1"),
    );

    let annotations = given.metadata.annotations.get_or_insert_default();
    annotations.insert("note".into(), "x".into());
    clusters.apply::<Manual>(&given);
    clusters.reset::<Manual>(std::slice::from_ref(&given));
    assert!(Arc::ptr_eq(&first, &upstream(&clusters, "managed1")));
    let same = |a: &Access, b: &Access| match (&a.credential, &b.credential) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => panic!("there is a token"),
    };
    assert!(same(&token, &access(&clusters, "managed1")));

    set(&mut given, "token", "another");
    clusters.apply::<Manual>(&given);
    assert!(Arc::ptr_eq(&first, &upstream(&clusters, "managed1")));
    assert!(!same(&token, &access(&clusters, "managed1")));

    set(&mut given, "endpoint", "https://10.0.0.2:6443");
    clusters.apply::<Manual>(&given);
    assert!(!Arc::ptr_eq(&first, &upstream(&clusters, "managed1")));
}

pub(super) fn set(secret: &mut Secret, key: &str, value: &str) {
    let value = k8s_openapi::ByteString(value.as_bytes().to_vec());
    let data = secret.data.get_or_insert_default();
    data.insert(key.to_owned(), value);
}

#[tokio::test]
async fn connections_end_with_their_cluster_and_not_with_its_address() {
    let clusters = clusters();
    let mut given = token_secret("managed1");
    clusters.apply::<Manual>(&given);
    let way = access(&clusters, "managed1").way;
    set(&mut given, "endpoint", "https://10.0.0.2:6443");
    clusters.apply::<Manual>(&given);
    assert!(!way.gone().is_cancelled());
    clusters.remove::<Manual>(&given);
    assert!(way.gone().is_cancelled());
}

#[tokio::test]
async fn streams_end_with_their_cluster_even_if_it_lost_its_credential_before() {
    let clusters = deriving(Some(derivation(Egress::Direct)));
    let registered = managed_cluster("managed1", &["https://10.0.0.9:6443"]);
    let account = account_secret("managed1", "derived");
    clusters.reset::<ManagedClusters>(std::slice::from_ref(&registered));
    clusters.reset::<Tokens>(std::slice::from_ref(&account));
    let first = access(&clusters, "managed1").way;
    clusters.remove::<Tokens>(&account);
    assert!(!first.gone().is_cancelled(), "the cluster is still there");
    clusters.apply::<Tokens>(&account);
    let second = access(&clusters, "managed1").way;
    assert!(!Arc::ptr_eq(&first, &second));
    clusters.remove::<Tokens>(&account);
    clusters.remove::<ManagedClusters>(&registered);
    assert!(first.gone().is_cancelled() && second.gone().is_cancelled());
    clusters.apply::<ManagedClusters>(&registered);
    clusters.apply::<Tokens>(&account);
    assert!(!access(&clusters, "managed1").way.gone().is_cancelled());
}

#[tokio::test]
async fn one_broken_secret_disturbs_no_other() {
    let clusters = clusters();
    let broken = secret("broken", &[("token", "t")]);
    clusters.reset::<Manual>(&[token_secret("managed1"), broken, token_secret("Bad_Name")]);
    upstream(&clusters, "managed1");
    let broken = clusters.find(&"broken".parse().unwrap()).unwrap();
    let message = broken.access.as_ref().unwrap_err().to_string();
    assert!(
        message.contains("credentials/broken") && message.contains("endpoint"),
        "{message}"
    );
    assert_eq!(clusters.snapshot().by_name.len(), 2);
}

#[tokio::test]
async fn forgets_what_is_deleted() {
    let clusters = clusters();
    clusters.reset::<Manual>(&[token_secret("a"), token_secret("b"), token_secret("c")]);
    clusters.remove::<Manual>(&token_secret("a"));
    clusters.reset::<Manual>(&[token_secret("b")]);
    let names: Vec<_> = clusters
        .snapshot()
        .by_name
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["b"]);
}

fn bearer(clusters: &Clusters, name: &str) -> String {
    let credential = access(clusters, name).credential.unwrap();
    credential.authorization.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_cluster_is_derived_while_both_objects_are_there_and_a_manual_secret_wins() {
    let clusters = deriving(Some(derivation(Egress::Direct)));
    let name = "managed1".parse().unwrap();
    let registered = managed_cluster("managed1", &["https://10.0.0.9:6443"]);
    let account = account_secret("managed1", "derived");
    clusters.reset::<Tokens>(std::slice::from_ref(&account));
    assert_eq!(clusters.find(&name).unwrap_err(), Absent::NotReadYet);
    clusters.reset::<ManagedClusters>(std::slice::from_ref(&registered));
    // A role of an older release does not let the gateway read them.
    clusters.has_no_kind::<Accounts>();
    assert_eq!(bearer(&clusters, "managed1"), "Bearer derived");

    let manual = token_secret("managed1");
    clusters.apply::<Manual>(&manual);
    assert_eq!(bearer(&clusters, "managed1"), "Bearer hunter2");
    clusters.remove::<Manual>(&manual);
    assert_eq!(bearer(&clusters, "managed1"), "Bearer derived");

    clusters.remove::<Tokens>(&account);
    let unusable = clusters.find(&name).unwrap();
    assert!(unusable.access.is_err() && clusters.shown(&name).is_ok());
    clusters.reset::<Tokens>(&[account]);
    let way = access(&clusters, "managed1").way;

    let mut denied = registered.clone();
    denied.spec.hub_accepts_client = false;
    clusters.apply::<ManagedClusters>(&denied);
    assert_eq!(clusters.find(&name).unwrap_err(), Absent::Denied);
    assert!(way.gone().is_cancelled());
    clusters.apply::<ManagedClusters>(&registered);
    clusters.remove::<ManagedClusters>(&registered);
    assert_eq!(clusters.find(&name).unwrap_err(), Absent::Unknown);
}

/// The `ManagedServiceAccount` by which the operator asks for a token.
fn account(cluster: &str) -> ManagedServiceAccount {
    let object = serde_json::json!({
        "apiVersion": "authentication.open-cluster-management.io/v1beta1", "kind": "ManagedServiceAccount",
        "metadata": {"name": "cluster-gateway", "namespace": cluster}, "spec": {"rotation": {}},
    });
    serde_json::from_value(object).unwrap()
}

#[tokio::test]
async fn a_cluster_for_which_nobody_wants_a_token_leaves_the_list_and_that_is_said() {
    let clusters = deriving(Some(derivation(Egress::Direct)));
    let name = "managed1".parse().unwrap();
    clusters.reset::<Tokens>(&[]);
    let registered = managed_cluster("managed1", &["https://10.0.0.9:6443"]);
    clusters.reset::<ManagedClusters>(&[registered]);
    assert_eq!(clusters.find(&name).unwrap_err(), Absent::NotReadYet);
    clusters.reset::<Accounts>(&[]);
    let unwanted = clusters.find(&name).unwrap_err();
    assert!(matches!(unwanted, Absent::Unwanted(_)), "{unwanted}");
    let said = unwanted.refusal(&name);
    for words in [
        "ManagedServiceAccount cluster-gateway ",
        "GatewayConfiguration selects it",
    ] {
        assert!(said.message().contains(words), "{said:?}");
    }

    // Its agent may be there first, and stays attached when the cluster is enrolled.
    let first = clusters.find_for_agent(&name).unwrap();
    clusters.apply::<Accounts>(&account("managed1"));
    assert!(clusters.find(&name).unwrap().access.is_err());
    assert!(!first.gone.is_cancelled());
    clusters.apply::<Tokens>(&account_secret("managed1", "derived"));
    assert_eq!(bearer(&clusters, "managed1"), "Bearer derived");
    // It is still served while its token is being revoked.
    clusters.remove::<Accounts>(&account("managed1"));
    assert_eq!(bearer(&clusters, "managed1"), "Bearer derived");
    clusters.remove::<Tokens>(&account_secret("managed1", "derived"));
    let unwanted = clusters.find(&name).unwrap_err();
    assert!(matches!(unwanted, Absent::Unwanted(_)), "{unwanted}");
    assert!(clusters.snapshot().by_name.is_empty());
    // What was open through it has ended. Its agent may attach again.
    assert!(first.gone.is_cancelled());
    let again = clusters.find_for_agent(&name).unwrap();
    assert!(!again.gone.is_cancelled());
    clusters.reset::<ManagedClusters>(&[]);
    assert!(again.gone.is_cancelled());
    clusters.find_for_agent(&name).unwrap_err();
}

#[test]
fn a_denied_cluster_says_that_the_hub_does_not_accept_it() {
    let said = Absent::Denied.refusal(&"managed1".parse().unwrap());
    assert!(
        said.message().contains("hubAcceptsClient is false"),
        "{said:?}"
    );
}

#[tokio::test]
async fn nothing_is_derived_unless_asked_for() {
    let clusters = clusters();
    clusters.apply::<Tokens>(&account_secret("managed1", "derived"));
    clusters.apply::<ManagedClusters>(&managed_cluster("managed1", &["https://10.0.0.9"]));
    assert!(clusters.snapshot().by_name.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_given_up_for_its_successor() {
    let clusters = Arc::new(deriving(Some(derivation(Egress::Direct))));
    let name: ClusterName = "managed1".parse().unwrap();
    clusters.apply::<ManagedClusters>(&managed_cluster("managed1", &["https://10.0.0.9"]));
    clusters.apply::<Tokens>(&account_secret("managed1", "first"));
    let first = access(&clusters, "managed1").credential.unwrap();
    let rotate = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        // Another change of the cluster is no new token.
        clusters.apply::<ManagedClusters>(&managed_cluster("managed1", &["https://10.0.0.8"]));
        clusters.apply::<Tokens>(&account_secret("managed1", "second"));
    };
    let (successor, ()) = tokio::join!(clusters.successor(&name, &first), rotate);
    let second = successor.unwrap().credential.unwrap();
    assert_eq!(second.authorization, "Bearer second");

    // Nobody brings another one: the first to see that waits, the next ones do not.
    let begin = Instant::now();
    assert!(clusters.successor(&name, &second).await.is_none());
    let waited = begin.elapsed();
    assert!(clusters.successor(&name, &second).await.is_none());
    assert!(
        waited.as_secs() == 5 && begin.elapsed() == waited,
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_manual_token_is_renewed_by_nobody() {
    let clusters = clusters();
    let name: ClusterName = "managed1".parse().unwrap();
    clusters.apply::<Manual>(&token_secret("managed1"));
    let token = access(&clusters, "managed1").credential.unwrap();
    let begin = Instant::now();
    assert!(clusters.successor(&name, &token).await.is_none());
    assert!(begin.elapsed().is_zero());
}
