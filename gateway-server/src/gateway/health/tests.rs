//! What a report is answered with.

use super::*;
use crate::{
    api::objects::tests::gateway,
    clusters::tests::{given, given_derived},
};

fn report(reason: &str) -> Report {
    Report {
        healthy: true,
        reason: reason.to_owned(),
        ..Report::default()
    }
}

#[test]
fn the_answer_repeats_the_report_and_the_revision_of_the_secret() {
    let shown = gateway("managed1");
    let echoed = echo(&shown, report("ConnectionTimeout"), Some("77".to_owned()));
    let status = echoed.status.unwrap();
    assert!(status.healthy);
    assert_eq!(status.healthy_reason, "ConnectionTimeout");
    assert_eq!(echoed.metadata.resource_version.as_deref(), Some("77"));
    let kept_nowhere = echo(&shown, report(""), None);
    assert_eq!(
        kept_nowhere.metadata.resource_version.as_deref(),
        Some("41")
    );
}

#[tokio::test]
async fn who_reports_is_told_if_that_is_not_shown() {
    let name: ClusterName = "managed1".parse().unwrap();
    let manual = given(&["managed1"]).reportable(&name).unwrap();
    let uid = None;
    assert_eq!(manual.keeper, Keeper::Secret { uid, revision: 11 });
    assert_eq!(warning(&manual), None);
    let seen = Reportable {
        is_seen: true,
        ..manual
    };
    let warned = |it: &Reportable| warning(it).unwrap().to_str().unwrap().to_owned();
    assert!(warned(&seen).contains("kept, but not shown"));
    let derived = given_derived("managed1").reportable(&name).unwrap();
    assert_eq!(derived.keeper, Keeper::Nobody);
    assert!(warned(&derived).contains("not kept"));
}

#[tokio::test]
async fn a_report_conflicts_with_writes_that_its_caller_has_not_seen() {
    let name: ClusterName = "managed1".parse().unwrap();
    let mut manual = given(&["managed1"]).reportable(&name).unwrap();
    let uid = Some("u-1".to_owned());
    std::sync::Arc::make_mut(&mut manual.object).metadata.uid = uid;
    assert!(!manual.conflicts(None, None));
    assert!(!manual.conflicts(Some("u-1"), Some(11)));
    // What the gateway has seen meanwhile is shown at a later revision.
    assert!(!manual.conflicts(None, Some(12)));
    assert!(manual.conflicts(None, Some(10)));
    assert!(manual.conflicts(Some("u-2"), None));
}
