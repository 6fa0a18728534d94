//! Clusters that leave: many of them only if somebody confirms it, and each with an Event.

use crds::{
    addon::Version,
    gateway::{CONFIRM_REMOVAL, GatewayConfigurationStatus, SINGLETON},
};
use serde_json::{Value, json};

use super::model::Hub;
use crate::{
    addon::Addon,
    key::Key,
    kind::{Kind, ObjectKey},
    object::part,
    plan::row_key,
};

fn configuration() -> ObjectKey {
    ObjectKey::global(Kind::GatewayConfiguration, SINGLETON)
}

fn selecting(env: &str) -> Value {
    json!({"clusters": {"selector": {"matchLabels": {"env": env}}}})
}

/// A hub that has enrolled so many clusters.
fn hub(count: usize) -> Hub {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.configure(&selecting("prod"));
    for index in 0..count {
        hub.accept(&format!("managed{index}"), &json!({"env": "prod"}));
    }
    hub.settle();
    assert_eq!(enrolled(&hub), count);
    hub
}

fn enrolled(hub: &Hub) -> usize {
    let rows = hub.observed.all(Kind::ManagedClusterAddOn);
    rows.filter(|(key, _)| key.name == Addon::Gateway.name())
        .count()
}

/// A condition of the configuration: its status, reason and message.
fn condition(hub: &Hub, kind: &str) -> (String, String, String) {
    let object = hub.observed.object(&configuration()).unwrap();
    let status: GatewayConfigurationStatus = part(object, "status").unwrap();
    let mut conditions = status.conditions.into_iter();
    let found = conditions.find(|it| it.type_ == kind).unwrap();
    (found.status, found.reason, found.message)
}

fn confirm(hub: &mut Hub, value: &str) {
    let annotations = json!({CONFIRM_REMOVAL: value});
    hub.write(
        &configuration(),
        &json!({"metadata": {"annotations": annotations}}),
    );
}

#[test]
fn an_invalid_selector_changes_nothing_and_is_said() {
    let mut hub = hub(3);
    let senseless = json!({"matchExpressions": [{"key": "env", "operator": "exists"}]});
    hub.configure(&json!({"clusters": {"selector": senseless}}));
    // The driver plans nothing else now.
    assert!(hub.observed.unreadable().is_some());
    hub.turn(&Key::Status);
    let (status, reason, message) = condition(&hub, "Degraded");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "InvalidSpec"));
    assert!(message.contains("operator is \"exists\""), "{message}");
    assert_eq!(condition(&hub, "Available").0, "True");
    hub.configure(&json!({"clusters": {"selector": {"matchExpressions": []}}}));
    hub.settle();
    assert_eq!(condition(&hub, "Degraded").0, "False");
    assert_eq!(enrolled(&hub), 3);
}

#[test]
fn many_clusters_that_are_no_longer_selected_stay_until_somebody_confirms_it() {
    let mut hub = hub(30);
    hub.configure(&selecting("pord"));
    hub.settle();
    assert_eq!(enrolled(&hub), 30);
    let object = hub.observed.object(&configuration()).unwrap();
    let generation = object.metadata.generation.unwrap();
    let value = format!("{generation}-30");
    let (status, reason, message) = condition(&hub, "RemovalsConfirmed");
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("False", "ConfirmationNeeded")
    );
    assert!(message.contains("managed0, managed1, "), "{message}");
    assert!(
        message.contains(&format!("{CONFIRM_REMOVAL}={value}")),
        "{message}"
    );
    assert_eq!(condition(&hub, "Degraded").1, "ConfirmationNeeded");
    // What is kept is looked after.
    hub.remove(&row_key("managed7", Addon::Proxy));
    hub.settle();
    assert!(
        hub.observed
            .object(&row_key("managed7", Addon::Proxy))
            .is_some()
    );

    for other in [
        format!("{}-30", generation - 1),
        format!("{generation}-29"),
        "yes".to_owned(),
    ] {
        confirm(&mut hub, &other);
        hub.settle();
        assert_eq!(enrolled(&hub), 30, "{other}");
    }
    confirm(&mut hub, &value);
    hub.settle();
    assert_eq!(enrolled(&hub), 0);
    assert_eq!(condition(&hub, "RemovalsConfirmed").0, "True");
}

#[test]
fn clusters_that_join_do_not_hide_a_removal_that_waits() {
    let mut hub = hub(30);
    hub.configure(&selecting("pord"));
    hub.away.push("joining".to_owned());
    hub.accept("joining", &json!({"env": "pord"}));
    hub.settle();
    assert_eq!(condition(&hub, "ClustersReady").1, "Joining");
    assert_eq!(condition(&hub, "Degraded").1, "ConfirmationNeeded");
}

#[test]
fn many_clusters_that_are_selected_again_were_never_away() {
    let mut hub = hub(30);
    let uid = |hub: &Hub| {
        let row = hub.observed.object(&row_key("managed3", Addon::Gateway));
        row.unwrap().metadata.uid.clone()
    };
    let before = uid(&hub);
    hub.configure(&selecting("pord"));
    hub.settle();
    hub.configure(&selecting("prod"));
    hub.settle();
    assert_eq!(uid(&hub), before);
    assert_eq!(condition(&hub, "Degraded").0, "False");
}

#[test]
fn few_clusters_leave_without_a_confirmation_and_few_of_many_are_more() {
    for (all, leave) in [(3, 2), (40, 4)] {
        let mut hub = hub(all);
        for index in 0..leave {
            hub.accept(&format!("managed{index}"), &json!({"env": "dev"}));
        }
        hub.settle();
        assert_eq!(enrolled(&hub), all - leave);
    }
}

#[test]
fn clusters_that_are_deselected_one_after_the_other_are_many_too() {
    let mut hub = hub(30);
    for index in 0..30 {
        let name = format!("managed{index}");
        hub.accept(&name, &json!({"env": "dev"}));
        hub.turn(&Key::Cluster(name));
    }
    hub.settle();
    // A few had begun to leave before.
    assert!(enrolled(&hub) >= 26, "{}", enrolled(&hub));
    assert_eq!(condition(&hub, "RemovalsConfirmed").0, "False");
}

#[test]
fn an_administrator_sets_what_is_many() {
    let mut hub = hub(30);
    let mut more = selecting("dev");
    more["clusters"]["removals"] = json!({"maxPercent": 100});
    hub.configure(&more);
    hub.settle();
    assert_eq!(enrolled(&hub), 0);
}

#[test]
fn what_is_said_of_each_cluster_or_of_all_needs_no_confirmation() {
    let mut hub = hub(12);
    for index in 0..6 {
        let key = ObjectKey::global(Kind::ManagedCluster, &format!("managed{index}"));
        hub.write(&key, &json!({"spec": {"hubAcceptsClient": false}}));
    }
    hub.settle();
    assert_eq!(enrolled(&hub), 6);
    hub.remove(&configuration());
    hub.settle();
    assert_eq!(enrolled(&hub), 0);
}

#[test]
fn an_add_on_that_becomes_somebody_elses_removes_no_fleet() {
    let mut hub = hub(12);
    let key = ObjectKey::global(Kind::ClusterManagementAddOn, Addon::Gateway.name());
    let label = json!({crate::names::MANAGED_BY: "somebody"});
    hub.write(&key, &json!({"metadata": {"labels": label}}));
    hub.settle();
    assert_eq!(enrolled(&hub), 12);
    assert_eq!(condition(&hub, "RemovalsConfirmed").0, "False");
    let label = json!({crate::names::MANAGED_BY: crate::names::MANAGER});
    hub.write(&key, &json!({"metadata": {"labels": label}}));
    hub.settle();
    assert_eq!(enrolled(&hub), 12);
    assert_eq!(condition(&hub, "Degraded").0, "False");
}

#[test]
fn each_enrolment_and_each_removal_is_told_with_its_reason() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.configure(&selecting("prod"));
    hub.accept("managed1", &json!({"env": "prod"}));
    let told = |hub: &Hub| {
        let notes = hub.cluster("managed1").notes.into_iter();
        let notes = notes.map(|note| (note.reason, note.is_warning, note.text));
        notes.collect::<Vec<_>>()
    };
    assert_eq!(told(&hub)[0].0, "Enrolling");
    hub.settle();
    assert_eq!(told(&hub), []);
    hub.accept("managed1", &json!({"env": "dev"}));
    let why = "its add-ons and its agent are removed: the GatewayConfiguration does not select the cluster";
    assert_eq!(told(&hub), [("Removing", false, why.to_owned())]);
    hub.turn(&Key::Cluster("managed1".to_owned()));
    // The same words until it is gone.
    assert_eq!(told(&hub), [("Removing", false, why.to_owned())]);
    hub.settle();
    assert_eq!(told(&hub), []);
}
