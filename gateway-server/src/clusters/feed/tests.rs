//! Revisions of what is shown.

use super::*;
use crate::clusters::{
    Clusters,
    inventory::Manual,
    secret::tests::token_secret,
    tests::{clusters, set},
};

fn listed(clusters: &Clusters) -> Listed {
    clusters.listed().unwrap()
}

fn names(changes: &[Change]) -> Vec<String> {
    let name = |object: &Option<Arc<ClusterGateway>>| {
        let object = object.as_ref();
        object.map_or_else(|| "-".to_owned(), |it| it.metadata.name.clone().unwrap())
    };
    let arrow = |change: &Change| format!("{} > {}", name(&change.before), name(&change.after));
    changes.iter().map(arrow).collect()
}

/// Looks at once, whoever looked before.
fn changes(clusters: &Clusters, revision: u64) -> Result<Vec<Change>, Expired> {
    clusters.changes(revision, Instant::now() + LOOK_EVERY * 2)
}

#[tokio::test]
async fn what_comes_changes_and_goes_is_a_revision_each() {
    let clusters = clusters();
    let begin = listed(&clusters).revision;
    let mut given = token_secret("managed1");
    clusters.apply::<Manual>(&given);
    clusters.apply::<Manual>(&token_secret("managed2"));
    set(&mut given, "endpoint", "https://10.0.0.2:6443");
    let all = listed(&clusters);
    assert_eq!(all.revision, begin + 2);
    clusters.apply::<Manual>(&given);
    clusters.remove::<Manual>(&token_secret("managed2"));
    let all_since = changes(&clusters, begin).unwrap();
    let came = ["- > managed1", "- > managed2"];
    let then = ["managed2 > -", "managed1 > managed1"];
    assert_eq!(names(&all_since), [came, then].concat());
    assert_eq!(names(&changes(&clusters, all.revision).unwrap()), then);
    let newest = listed(&clusters);
    assert!(changes(&clusters, newest.revision).unwrap().is_empty());

    // Whoever gets one sees the version at which it became so.
    let shown = clusters.shown(&"managed1".parse().unwrap()).unwrap();
    let version = shown.metadata.resource_version.clone().unwrap();
    assert_eq!(version, (begin + 4).to_string());
}

#[tokio::test]
async fn what_looks_the_same_is_no_change() {
    let clusters = clusters();
    let mut given = token_secret("managed1");
    clusters.apply::<Manual>(&given);
    let before = listed(&clusters);
    set(&mut given, "token", "another");
    clusters.apply::<Manual>(&given);
    let after = listed(&clusters);
    assert_eq!(after.revision, before.revision);
    assert!(Arc::ptr_eq(&before.objects[0], &after.objects[0]));
}

#[tokio::test]
async fn a_revision_that_is_none_of_this_process_or_too_old_is_refused() {
    let clusters = clusters();
    let begin = listed(&clusters).revision;
    for bad in [begin.wrapping_sub(1), begin + 1] {
        let expired = changes(&clusters, bad).unwrap_err().to_string();
        assert!(expired.contains(&bad.to_string()), "{expired}");
    }
    let mut given = token_secret("managed1");
    for port in 1..=KEPT + 3 {
        set(&mut given, "endpoint", &format!("https://10.0.0.2:{port}"));
        clusters.apply::<Manual>(&given);
        listed(&clusters);
    }
    changes(&clusters, begin).unwrap_err();
    let known = changes(&clusters, begin + 2).unwrap();
    assert_eq!(known.len(), KEPT + 1);
}

#[tokio::test]
async fn however_many_look_it_is_looked_at_twice_a_second() {
    let clusters = clusters();
    let (begin, now) = (listed(&clusters).revision, Instant::now());
    assert!(clusters.changes(begin, now).unwrap().is_empty());
    clusters.apply::<Manual>(&token_secret("managed1"));
    assert!(clusters.changes(begin, now).unwrap().is_empty());
    assert_eq!(clusters.changes(begin, now + LOOK_EVERY).unwrap().len(), 1);
}
