//! What is shown at which revision, and what watches from another replica are told.

mod resumption;

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;

use super::*;
use crate::clusters::{
    Clusters,
    health::{Decision, Evidence, tests::view},
    inventory::Manual,
    journal::{Change, SETTLE, gone},
    secret::tests::token_secret,
    tests::{at, clusters, set},
};

async fn listed(clusters: &Clusters) -> Listed {
    clusters.list().await.unwrap()
}

async fn versions(clusters: &Clusters) -> Vec<String> {
    let objects = listed(clusters).await.objects;
    let version = |object: &Arc<ClusterGateway>| object.metadata.resource_version.clone().unwrap();
    objects.iter().map(version).collect()
}

fn names(changes: &Changes) -> Vec<String> {
    let name = |object: &Option<Arc<ClusterGateway>>| {
        let object = object.as_ref();
        object.map_or_else(|| "-".to_owned(), |it| it.metadata.name.clone().unwrap())
    };
    let arrow = |change: &Change| format!("{} > {}", name(&change.before), name(&change.after));
    changes.all.iter().map(arrow).collect()
}

/// Looks for changes at once, even if somebody has just done so.
fn changes(clusters: &Clusters, position: u64) -> Result<Changes, Unknown> {
    clusters.changes(position, Instant::now() + LOOK_EVERY * 2)
}

fn resumed(clusters: &Clusters, revision: u64) -> Vec<String> {
    names(&clusters.resume(revision, Instant::now()).unwrap())
}

fn labelled(revision: u64, name: &str, label: &str) -> Secret {
    let mut secret = at(revision, token_secret(name));
    let labels = secret.metadata.labels.get_or_insert_default();
    labels.insert("env".to_owned(), label.to_owned());
    secret
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_changes_and_goes_has_the_revision_of_the_hub() {
    let clusters = clusters();
    let begin = listed(&clusters).await.position;
    let mut given = at(10, token_secret("managed1"));
    clusters.apply::<Manual>(&given);
    clusters.apply::<Manual>(&at(12, token_secret("managed2")));
    let all = listed(&clusters).await;
    assert_eq!(
        (all.revision, versions(&clusters).await),
        (12, vec!["10".into(), "12".into()])
    );
    set(&mut given, "endpoint", "https://10.0.0.2:6443");
    clusters.apply::<Manual>(&at(20, given));
    clusters.remove::<Manual>(&at(21, token_secret("managed2")));
    let then = ["managed1 > managed1", "managed2 > -"];
    assert_eq!(names(&changes(&clusters, all.position).unwrap()), then);
    // A watch that began before both clusters existed is told only of the one that is left.
    assert_eq!(names(&changes(&clusters, begin).unwrap()), ["- > managed1"]);
    let newest = listed(&clusters).await;
    assert_eq!(newest.revision, 21);
    assert!(names(&changes(&clusters, newest.position).unwrap()).is_empty());
    let shown = clusters.shown(&"managed1".parse().unwrap()).unwrap();
    assert_eq!(shown.metadata.resource_version.as_deref(), Some("20"));
}

/// Two replicas that saw different intermediate states show the same in the end.
#[tokio::test(start_paused = true)]
async fn what_is_shown_depends_on_the_hub_and_not_on_what_was_seen_before() {
    let (old, fresh) = (clusters(), clusters());
    let mut given = at(10, token_secret("managed1"));
    old.apply::<Manual>(&given);
    listed(&old).await;
    set(&mut given, "token", "another");
    for clusters in [&old, &fresh] {
        clusters.apply::<Manual>(&at(11, given.clone()));
    }
    assert_eq!(listed(&old).await.objects, listed(&fresh).await.objects);
    assert_eq!(versions(&old).await, ["11"]);
    let before = listed(&old).await;
    old.apply::<Manual>(&at(11, given));
    assert!(names(&changes(&old, before.position).unwrap()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_at_another_replica_from_any_revision() {
    pass(100).await;
    let clusters = clusters();
    clusters.reset::<Manual>(&[at(10, token_secret("a")), at(12, token_secret("b"))]);
    assert_eq!(listed(&clusters).await.revision, 12);
    // This replica has reached exactly this revision, so nothing is missed and nothing is told
    // again.
    assert_eq!(resumed(&clusters, 12), [""; 0]);
    pass(60).await;
    clusters.apply::<Manual>(&at(20, token_secret("c")));
    listed(&clusters).await;
    pass(60).await;
    clusters.apply::<Manual>(&at(31, token_secret("d")));
    clusters.remove::<Manual>(&at(32, token_secret("b")));
    listed(&clusters).await;
    assert_eq!(resumed(&clusters, 32), [""; 0]);
    pass(60).await;
    assert_eq!(resumed(&clusters, 20), ["- > d", "b > -"]);
    // Only another replica has reached this revision, so what came here a moment before is told
    // again.
    assert_eq!(resumed(&clusters, 19), ["- > c", "- > d", "b > -"]);
    assert_eq!(resumed(&clusters, 25), ["- > d", "b > -"]);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_replica_goes_on_where_another_one_was() {
    pass(100).await;
    let (old, fresh) = (clusters(), clusters());
    for name in ["a", "b"] {
        old.apply::<Manual>(&labelled(10, name, "prod"));
    }
    assert_eq!(listed(&old).await.revision, 10);
    old.remove::<Manual>(&at(20, token_secret("b")));
    listed(&old).await;
    fresh.reset::<Manual>(&[labelled(10, "a", "prod"), at(30, token_secret("c"))]);
    listed(&fresh).await;
    let too_old = fresh.resume(10, Instant::now()).unwrap_err();
    assert_eq!(
        too_old,
        Unknown::TooOld {
            asked: 10,
            oldest: 30
        }
    );
    let History { oldest, gone } = old.history();
    for went in gone {
        fresh.hear_gone(went);
    }
    fresh.hear_oldest(oldest.unwrap());
    let told = fresh.resume(10, Instant::now()).unwrap();
    assert_eq!(
        names(&told),
        ["b > -", "- > c"],
        "whatever was there at 10 is not"
    );
    let labels = told.all[0].before.as_ref().unwrap().metadata.labels.clone();
    assert_eq!(
        labels.unwrap()["env"],
        "prod",
        "so that whoever selects hears of it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_is_too_old_or_of_the_future_is_refused() {
    let clusters = clusters();
    let mut given = token_secret("managed1");
    clusters.reset::<Manual>(&[at(10, given.clone())]);
    let begin = listed(&clusters).await;
    let refused = |revision| {
        let unknown = clusters.resume(revision, Instant::now()).unwrap_err();
        unknown.to_string()
    };
    assert!(refused(9).contains("too old resource version: 9"));
    assert!(refused(11).contains("too large resource version: 11, current: 10"));
    for number in 0..=u64::try_from(gone::KEPT).unwrap() {
        let name = format!("c{number}");
        clusters.apply::<Manual>(&at(20 + number, token_secret(&name)));
        listed(&clusters).await;
        clusters.remove::<Manual>(&at(20 + number, token_secret(&name)));
        listed(&clusters).await;
    }
    set(&mut given, "endpoint", "https://10.0.0.2:6443");
    clusters.apply::<Manual>(&at(9000, given));
    changes(&clusters, begin.position).unwrap();
    clusters.apply::<Manual>(&at(9001, token_secret("last")));
    listed(&clusters).await;
    clusters.remove::<Manual>(&at(9002, token_secret("last")));
    listed(&clusters).await;
    assert!(changes(&clusters, begin.position).is_err());
    assert!(refused(15).contains("too old"));
}

#[tokio::test(start_paused = true)]
async fn however_many_look_it_is_looked_at_twice_a_second() {
    let clusters = clusters();
    let (begin, now) = (listed(&clusters).await.position, Instant::now());
    let count = |now| clusters.changes(begin, now).unwrap().all.len();
    assert_eq!(count(now), 0);
    clusters.apply::<Manual>(&at(10, token_secret("managed1")));
    assert_eq!(count(now), 0);
    assert_eq!(count(now + LOOK_EVERY), 1);
}

#[tokio::test(start_paused = true)]
async fn what_others_have_decided_is_shown_with_its_revision() {
    let clusters = clusters();
    clusters.apply::<Manual>(&at(10, token_secret("managed1")));
    let before = listed(&clusters).await;
    let decided = Decision {
        revision: 17,
        state: view(Evidence::Attempt, 10, "refused").state,
        ..Decision::default()
    };
    clusters.hear_decision("managed1".parse().unwrap(), decided);
    let change = changes(&clusters, before.position).unwrap();
    let after = change.all[0].after.clone().unwrap();
    assert_eq!(after.metadata.resource_version.as_deref(), Some("17"));
    assert_eq!(after.status.as_ref().unwrap().healthy_reason, "refused");
    assert_eq!(listed(&clusters).await.revision, 17);
}

/// While the hub stands still, a decision gets a revision that the hub has not reached yet, so the next
/// write on the hub has it too.
#[tokio::test(start_paused = true)]
async fn a_decision_hides_no_change_at_the_same_revision_of_the_hub() {
    type Write = fn(&Clusters);
    let writes: [(Write, &str); 2] = [
        (|it| it.apply::<Manual>(&at(11, token_secret("b"))), "- > b"),
        (
            |it| it.remove::<Manual>(&at(11, token_secret("a"))),
            "a > -",
        ),
    ];
    pass(100).await;
    for (write, told) in writes {
        let clusters = clusters();
        clusters.reset::<Manual>(&[at(10, token_secret("a"))]);
        listed(&clusters).await;
        let decided = Decision {
            revision: 11,
            state: view(Evidence::Attempt, 10, "refused").state,
            ..Decision::default()
        };
        clusters.hear_decision("a".parse().unwrap(), decided);
        assert_eq!(listed(&clusters).await.revision, 11);
        pass(60).await;
        write(&clusters);
        listed(&clusters).await;
        assert_eq!(resumed(&clusters, 11), [told]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_changes_nothing_of_what_is_shown_is_told_to_no_watch() {
    let (clusters, secret) = (clusters(), token_secret("managed1"));
    clusters.apply::<Manual>(&at(10, secret.clone()));
    let before = listed(&clusters).await;
    for revision in [12, 14, 16] {
        clusters.apply::<Manual>(&at(revision, secret.clone()));
        let change = changes(&clusters, before.position).unwrap();
        assert_eq!(change.all.len(), 0, "{change:?}");
    }
    let after = listed(&clusters).await;
    let version = after.objects[0].metadata.resource_version.as_deref();
    assert_eq!((version, after.revision), (Some("16"), 16));
    let mut labelled = secret;
    let labels = labelled.metadata.labels.get_or_insert_default();
    labels.insert("env".to_owned(), "prod".to_owned());
    clusters.apply::<Manual>(&at(18, labelled));
    let change = changes(&clusters, before.position).unwrap();
    assert_eq!(change.all.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_says_in_a_condition_whether_it_is_ready_and_since_when() {
    let clusters = clusters();
    clusters.apply::<Manual>(&at(10, token_secret("managed1")));
    listed(&clusters).await;
    let decided = Decision {
        revision: 17,
        state: view(Evidence::Attempt, 10, "refused").state,
        since: Some(100),
        last_seen: Some(90),
    };
    clusters.hear_decision("managed1".parse().unwrap(), decided);
    let shown = listed(&clusters).await.objects.remove(0);
    let status = shown.status.clone().unwrap();
    let condition = &status.conditions[0];
    assert_eq!(
        (condition.type_.as_str(), condition.status.as_str()),
        ("Ready", "False")
    );
    assert_eq!(condition.message, "refused");
    assert_eq!(condition.last_transition_time.0.as_second(), 100);
    assert_eq!(status.last_seen_time.unwrap().0.as_second(), 90);
}
