//! How grants end: when, what is said of them until their last right is removed, and for whom that
//! waits.

use super::*;

#[test]
fn a_grant_ends_and_says_so() {
    let mut hub = hub(&["managed1"]);
    grant(&mut hub, "g", &json!({"expiresAfter": "8h"}));
    hub.settle();
    assert_eq!(reason(&hub, "g"), "Applied");
    let wake = hub.plan(&Key::Access("managed1".to_owned())).wake.unwrap();
    assert_eq!(status(&hub, "g").expires_at.unwrap().0, wake);
    hub.pass(8 * 3600);
    hub.settle();
    assert_eq!(manifests(&hub, "managed1"), [] as [Value; 0]);
    assert_eq!(reason(&hub, "g"), "Expired");
    assert_eq!(states(&hub, "g")[0].1, GrantState::Expired);
}

/// The subjects of the bindings of a grant on a cluster.
fn subjects(hub: &Hub, grant: &str) -> Vec<Value> {
    let all = manifests(hub, "managed1").into_iter();
    let of = |it: &Value| {
        let annotations = &it["metadata"]["annotations"];
        annotations["gateway.open-cluster-management.io/grant"] == grant
    };
    all.filter(of).map(|it| it["subjects"].clone()).collect()
}

#[test]
fn a_grant_has_ended_once_the_cluster_says_that_nobody_is_bound_any_more() {
    let mut hub = hub(&["managed1"]);
    let here = json!({"clusters": {"names": ["managed1"]}});
    for name in ["g", "other"] {
        grant(&mut hub, name, &here);
    }
    hub.settle();
    assert_eq!(reason(&hub, "g"), "Applied");
    hub.away.push("managed1".to_owned());
    grant(&mut hub, "g", &json!({"clusters": {"names": ["nowhere"]}}));
    hub.settle();
    assert_eq!(subjects(&hub, "g"), [json!([])]);
    assert_eq!(states(&hub, "g")[0].2, REMOVING);
    hub.away.clear();
    hub.settle();
    assert_eq!(subjects(&hub, "g"), [] as [Value; 0]);
    let left: Vec<_> = states(&hub, "g").into_iter().map(|it| it.0).collect();
    assert_eq!(left, ["nowhere"]);
    assert_eq!(subjects(&hub, "other").len(), 1);

    // It comes back while it goes.
    grant(&mut hub, "g", &here);
    hub.settle();
    hub.away.push("managed1".to_owned());
    grant(&mut hub, "g", &json!({"clusters": {"names": ["nowhere"]}}));
    hub.settle();
    grant(&mut hub, "g", &here);
    hub.turn(&Key::Grant("g".to_owned()));
    assert_eq!(states(&hub, "g")[0].1, GrantState::Pending);
    hub.away.clear();
    hub.settle();
    assert_eq!(states(&hub, "g")[0].1, GrantState::Applied);
    assert_ne!(subjects(&hub, "g"), [json!([])]);
}

#[test]
fn a_grant_whose_removal_the_cluster_refuses_is_not_called_expired() {
    let mut hub = hub(&["managed1"]);
    grant(&mut hub, "other", &json!({}));
    grant(&mut hub, "g", &json!({"expiresAfter": "8h"}));
    hub.settle();
    hub.refused.push("spokeway:grant:g:".to_owned());
    hub.pass(8 * 3600);
    hub.settle();
    let state = &status(&hub, "g").cluster_states[0];
    assert_eq!(
        (state.state, state.reason.as_str()),
        (GrantState::Pending, REMOVING)
    );
    assert!(state.message.contains("denied the request"), "{state:?}");
    assert_eq!(states(&hub, "other")[0].1, GrantState::Applied);
    hub.remove(&key("g"));
    hub.settle();
    assert!(hub.observed.object(&key("g")).is_some());

    // Once it accepts, the work agent tries again.
    hub.refused.clear();
    let work = ObjectKey::new(Kind::ManifestWork, "managed1", "spokeway-access-0");
    hub.write(
        &work,
        &json!({"status": {"conditions": [{"type": "Applied", "status": "False"}]}}),
    );
    hub.settle();
    assert!(hub.observed.object(&key("g")).is_none());
    assert_eq!(
        manifests(&hub, "managed1")
            .iter()
            .filter(|it| it["kind"] == "ClusterRoleBinding")
            .count(),
        2
    );
}

#[test]
fn a_deleted_grant_waits_for_clusters_that_are_there_and_for_no_other() {
    let mut hub = hub(&["managed1", "managed2"]);
    grant(&mut hub, "g", &json!({}));
    hub.settle();
    hub.away = vec!["managed1".to_owned(), "managed2".to_owned()];
    hub.remove(&key("g"));
    hub.settle();
    let left: Vec<_> = states(&hub, "g")
        .into_iter()
        .map(|(_, _, reason)| reason)
        .collect();
    assert_eq!(left, [REMOVING, REMOVING]);
    hub.disconnect("managed2");
    hub.settle();
    assert!(hub.observed.object(&key("g")).is_some());
    hub.away = vec!["managed2".to_owned()];
    let plan = {
        while hub.others_act() {}
        hub.plan(&Key::Grant("g".to_owned()))
    };
    assert!(
        plan.notes
            .iter()
            .any(|note| note.reason == "RevocationPending" && note.text.contains("managed2")),
        "{plan:?}"
    );
    hub.settle();
    assert!(hub.observed.object(&key("g")).is_none());
}

/// What the status of the configuration says of clusters in trouble.
fn troubled(hub: &mut Hub) -> Value {
    hub.turn(&Key::Status);
    let key = ObjectKey::global(Kind::GatewayConfiguration, "default");
    hub.observed.object(&key).unwrap().data["status"]["troubled"].clone()
}

#[test]
fn a_work_agent_that_does_nothing_holds_no_deleted_grant_for_ever() {
    let mut hub = hub(&["managed1"]);
    grant(&mut hub, "g", &json!({}));
    grant(&mut hub, "other", &json!({}));
    hub.settle();
    assert_eq!(troubled(&mut hub), json!([]));
    // The cluster is connected, but its work agent is away.
    hub.away = vec!["managed1".to_owned()];
    hub.remove(&key("g"));
    hub.settle();
    let plan = hub.plan(&Key::Grant("g".to_owned()));
    assert_eq!(plan.wake, Some(hub.now + SignedDuration::from_mins(5)));
    hub.pass(299);
    hub.settle();
    assert_eq!(states(&hub, "g")[0].2, REMOVING);
    assert_eq!(troubled(&mut hub), json!([]));

    hub.pass(1);
    let notes = hub.plan(&Key::Grant("g".to_owned())).notes;
    assert_eq!(notes[0].reason, "RevocationAbandoned");
    insta::assert_snapshot!(notes[0].text);
    hub.settle();
    assert!(hub.observed.object(&key("g")).is_none());
    // The work has just been written without the grant.
    hub.pass(300);
    let said = troubled(&mut hub);
    assert_eq!(said[0]["reason"], "GrantsOverdue");
    insta::assert_snapshot!(said[0]["message"].as_str().unwrap());

    hub.away.clear();
    hub.settle();
    assert_eq!(troubled(&mut hub), json!([]));
}

#[test]
fn a_work_agent_that_does_nothing_holds_no_uninstall_for_ever() {
    let mut hub = hub(&["managed1"]);
    grant(&mut hub, "g", &json!({}));
    hub.settle();
    hub.away = vec!["managed1".to_owned()];
    hub.remove(&ObjectKey::global(Kind::GatewayConfiguration, "default"));
    hub.settle();
    let is_held = |hub: &Hub| {
        let grant = hub.observed.object(&key("g")).unwrap();
        grant
            .metadata
            .finalizers
            .as_ref()
            .is_some_and(|it| !it.is_empty())
    };
    assert!(is_held(&hub));
    hub.pass(300);
    hub.settle();
    assert!(!is_held(&hub));
}

#[test]
fn on_a_cluster_that_is_not_selected_any_more_a_grant_is_taken_away_and_then_waits() {
    let mut hub = hub(&["managed1"]);
    grant(&mut hub, "g", &json!({}));
    hub.settle();
    hub.away.push("managed1".to_owned());
    hub.configure(&json!({"clusters": {"selector": {"matchLabels": {"env": "prod"}}}}));
    hub.settle();
    assert_eq!(states(&hub, "g")[0].2, REMOVING);
    hub.away.clear();
    hub.settle();
    assert_eq!(states(&hub, "g")[0].2, "NotEnrolled");
    assert_eq!(manifests(&hub, "managed1"), [] as [Value; 0]);
}
