//! Clusters that placements select. Open Cluster Management writes decisions slice by slice, so a
//! cluster may be in none of them for a moment.

use crds::{addon::Version, cluster::PLACEMENT_LABEL};
use serde_json::{Value, json};

use super::model::Hub;
use crate::{
    addon::Addon,
    key::Key,
    kind::{Kind, ObjectKey},
    names::{ACCESS_WORK, GATEWAY, WORK},
    observed::placed::LASTS,
    plan::{Action, row_key},
};

const CLUSTER: &str = "managed1";

fn decide(hub: &mut Hub, placement: &str, slice: usize, clusters: &[&str]) {
    let key = slice_key(placement, slice);
    let decisions = clusters
        .iter()
        .map(|it| json!({"clusterName": it, "reason": ""}));
    let decisions: Vec<_> = decisions.collect();
    hub.write(
        &key,
        &json!({
            "metadata": {"labels": {PLACEMENT_LABEL: placement}},
            "status": {"decisions": decisions},
        }),
    );
}

fn slice_key(placement: &str, slice: usize) -> ObjectKey {
    let name = format!("{placement}-decision-{slice}");
    ObjectKey::new(Kind::PlacementDecision, "team", &name)
}

fn placed(placement: &str) -> Value {
    json!({"placements": [{"namespace": "team", "name": placement}]})
}

/// A hub whose configuration, and one grant, select by placement.
fn hub() -> Hub {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.configure(&json!({"clusters": placed("fleet")}));
    for cluster in [CLUSTER, "managed2"] {
        hub.accept(cluster, &json!({}));
    }
    let set = ObjectKey::global(Kind::ManagedClusterSet, "global");
    let everything = json!({"selectorType": "LabelSelector", "labelSelector": {}});
    hub.write(&set, &json!({"spec": {"clusterSelector": everything}}));
    let binding = ObjectKey::new(Kind::ManagedClusterSetBinding, "team", "global");
    let bound = json!({"conditions": [{"type": "Bound", "status": "True"}]});
    hub.write(
        &binding,
        &json!({"spec": {"clusterSet": "global"}, "status": bound}),
    );
    decide(&mut hub, "fleet", 1, &[CLUSTER, "managed2"]);
    decide(&mut hub, "granted", 1, &[CLUSTER, "managed2"]);
    grant(&mut hub, &placed("granted"));
    hub.settle();
    assert!(holds_grant(&hub) && is_enrolled(&hub));
    hub.pass(3600);
    hub.settle();
    hub
}

fn grant(hub: &mut Hub, clusters: &Value) {
    let key = ObjectKey::global(Kind::AccessGrant, "g");
    let mut spec = json!({
        "subjects": [{"kind": "User", "name": "alice"}], "role": {"clusterRole": "view"},
    });
    spec["clusters"] = clusters.clone();
    hub.write(&key, &json!({"spec": spec}));
}

fn is_enrolled(hub: &Hub) -> bool {
    let row = hub.observed.object(&row_key(CLUSTER, Addon::Gateway));
    row.is_some_and(|it| it.metadata.deletion_timestamp.is_none())
}

fn holds_grant(hub: &Hub) -> bool {
    let works = hub.observed.shipped.iter();
    let mut own = works.filter(|(key, _)| key.namespace == CLUSTER);
    own.any(|(_, shipped)| shipped.grants.contains_key("g"))
}

/// The uids of what carries requests and rights to a cluster.
pub(super) fn carriers(hub: &Hub, cluster: &str) -> Vec<Option<String>> {
    let keys = [
        row_key(cluster, Addon::Gateway),
        ObjectKey::new(Kind::ManagedServiceAccount, cluster, GATEWAY),
        ObjectKey::new(Kind::ManifestWork, cluster, WORK),
        ObjectKey::new(Kind::ManifestWork, cluster, &format!("{ACCESS_WORK}0")),
    ];
    let uid = |key| {
        hub.observed
            .object(key)
            .and_then(|it| it.metadata.uid.clone())
    };
    keys.iter().map(uid).collect()
}

fn plans(hub: &Hub) -> Vec<Action> {
    let cluster = CLUSTER.to_owned();
    let keys = [Key::Cluster(cluster.clone()), Key::Access(cluster)];
    let plans = keys.iter().map(|key| hub.plan(key));
    plans.flat_map(|plan| plan.actions).collect()
}

#[test]
fn a_cluster_between_two_slices_keeps_its_token_its_agent_and_its_rights() {
    let mut hub = hub();
    let before = carriers(&hub, CLUSTER);
    for placement in ["fleet", "granted"] {
        decide(&mut hub, placement, 1, &["managed0", "managed2"]);
    }
    assert_eq!(plans(&hub), []);
    hub.settle();
    hub.pass(20);
    for placement in ["fleet", "granted"] {
        decide(&mut hub, placement, 2, &[CLUSTER]);
    }
    hub.pass(3600);
    hub.settle();
    assert_eq!(carriers(&hub, CLUSTER), before);
    assert!(holds_grant(&hub));
}

#[test]
fn a_cluster_that_no_slice_has_for_long_enough_leaves_and_says_when_it_would() {
    let mut hub = hub();
    let dropped = hub.now;
    for placement in ["fleet", "granted"] {
        decide(&mut hub, placement, 1, &["managed2"]);
    }
    for key in [
        Key::Cluster(CLUSTER.to_owned()),
        Key::Access(CLUSTER.to_owned()),
    ] {
        let wake = hub.plan(&key).wake.unwrap();
        assert_eq!(wake.duration_since(dropped), LASTS, "{key:?}");
    }
    hub.pass(44);
    assert_eq!(plans(&hub), []);
    hub.pass(1);
    hub.settle();
    assert!(!is_enrolled(&hub) && !holds_grant(&hub));
}

#[test]
fn a_grant_whose_placement_drops_the_cluster_stays_for_a_moment_and_then_goes_alone() {
    let mut hub = hub();
    decide(&mut hub, "granted", 1, &["managed2"]);
    hub.settle();
    assert!(holds_grant(&hub));
    let wake = hub.plan(&Key::Access(CLUSTER.to_owned())).wake.unwrap();
    hub.now = wake;
    hub.settle();
    assert!(is_enrolled(&hub) && !holds_grant(&hub));
}

#[test]
fn a_restart_between_two_slices_takes_nothing_away_and_gives_nothing() {
    let mut hub = hub();
    hub.accept("managed3", &json!({}));
    let before = carriers(&hub, CLUSTER);
    for placement in ["fleet", "granted"] {
        decide(&mut hub, placement, 1, &["managed2"]);
    }
    // The process that saw the cluster before is gone for longer than the pause.
    hub.pass(3600);
    hub.restart();
    assert_eq!(plans(&hub), []);
    hub.settle();
    let never = row_key("managed3", Addon::Gateway);
    assert!(hub.observed.object(&never).is_none());
    for placement in ["fleet", "granted"] {
        decide(&mut hub, placement, 2, &[CLUSTER]);
    }
    hub.pass(3600);
    hub.settle();
    assert_eq!(carriers(&hub, CLUSTER), before);

    for placement in ["fleet", "granted"] {
        decide(&mut hub, placement, 2, &[]);
    }
    hub.restart();
    hub.pass(45);
    hub.settle();
    assert!(!is_enrolled(&hub) && !holds_grant(&hub));
}

#[test]
fn a_removal_that_has_begun_goes_on_after_a_restart() {
    let mut hub = hub();
    for placement in ["fleet", "granted"] {
        decide(&mut hub, placement, 1, &["managed2"]);
    }
    hub.pass(45);
    hub.turn(&Key::Cluster(CLUSTER.to_owned()));
    hub.turn(&Key::Access(CLUSTER.to_owned()));
    hub.restart();
    hub.settle();
    assert!(!is_enrolled(&hub) && !holds_grant(&hub));
}

#[test]
fn what_somebody_says_of_the_cluster_itself_counts_at_once() {
    type Act = fn(&mut Hub);
    let acts: [(&str, Act); 4] = [
        ("the selector", |hub| {
            let mut clusters = placed("fleet");
            clusters["selector"] = json!({"matchLabels": {"env": "prod"}});
            hub.configure(&json!({"clusters": clusters}));
        }),
        ("the configuration", |hub| {
            let key = ObjectKey::global(Kind::GatewayConfiguration, "default");
            hub.remove(&key);
        }),
        ("the cluster", |hub| {
            let key = ObjectKey::global(Kind::ManagedCluster, CLUSTER);
            hub.write(&key, &json!({"spec": {"hubAcceptsClient": false}}));
        }),
        ("the annotation", |hub| {
            let key = ObjectKey::global(Kind::ManagedCluster, CLUSTER);
            let declined = json!({crds::addon::NO_INSTALL: "true"});
            hub.write(&key, &json!({"metadata": {"annotations": declined}}));
        }),
    ];
    for (what, act) in acts {
        let mut hub = hub();
        decide(&mut hub, "fleet", 1, &["managed2"]);
        act(&mut hub);
        hub.settle();
        assert!(!is_enrolled(&hub), "{what}");
    }
}

#[test]
fn a_grant_that_somebody_changes_leaves_at_once_what_it_no_longer_selects() {
    let mut hub = hub();
    decide(&mut hub, "another", 1, &["managed2"]);
    grant(&mut hub, &placed("another"));
    hub.settle();
    assert!(!holds_grant(&hub));
}

#[test]
fn a_placement_that_is_taken_out_of_the_configuration_counts_at_once() {
    let mut hub = hub();
    let both = ["fleet", "another"].map(|name| json!({"namespace": "team", "name": name}));
    hub.configure(&json!({"clusters": {"placements": both}}));
    decide(&mut hub, "another", 1, &["managed2"]);
    hub.pass(3600);
    hub.settle();
    assert!(is_enrolled(&hub));
    hub.configure(&json!({"clusters": placed("another")}));
    hub.settle();
    assert!(!is_enrolled(&hub));
}

#[test]
fn a_placement_that_was_just_put_into_the_configuration_has_time_to_decide() {
    let mut hub = hub();
    let before = carriers(&hub, CLUSTER);
    hub.configure(&json!({"clusters": placed("another")}));
    hub.settle();
    hub.pass(20);
    decide(&mut hub, "another", 1, &[CLUSTER]);
    hub.pass(3600);
    hub.settle();
    assert_eq!(carriers(&hub, CLUSTER), before);
}

#[test]
fn a_placement_that_is_deleted_and_made_again_costs_nothing() {
    let mut hub = hub();
    let before = carriers(&hub, CLUSTER);
    for placement in ["fleet", "granted"] {
        hub.remove(&slice_key(placement, 1));
    }
    hub.settle();
    hub.pass(20);
    for placement in ["fleet", "granted"] {
        decide(&mut hub, placement, 1, &[CLUSTER, "managed2"]);
    }
    hub.pass(3600);
    hub.settle();
    assert_eq!(carriers(&hub, CLUSTER), before);
    for placement in ["fleet", "granted"] {
        hub.remove(&slice_key(placement, 1));
    }
    hub.pass(45);
    hub.settle();
    assert!(!is_enrolled(&hub) && !holds_grant(&hub));
}
