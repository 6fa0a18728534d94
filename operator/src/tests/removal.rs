//! A cluster that leaves: what is removed, in which order, and what happens if nobody answers.

use crds::{
    addon::Version,
    authentication::FINALIZER,
    gateway::{self, SINGLETON},
};
use serde_json::json;

use super::model::Hub;
use crate::{
    addon::Addon,
    key::Key,
    kind::{Kind, ObjectKey},
    names::{GATEWAY, LEAVING_POLICY, TOKENS_ROLE, WORK},
    object::is_ours,
    plan::{Action, Plan, row_key},
};

const CLUSTER: &str = "managed1";

fn enrolled() -> Hub {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.configure(&json!({"clusters": {"selector": {"matchLabels": {"gateway": "on"}}}}));
    hub.accept(CLUSTER, &json!({"gateway": "on"}));
    hub.settle();
    hub
}

fn unselect(hub: &mut Hub) {
    hub.accept(CLUSTER, &json!({"gateway": "off"}));
}

fn work() -> ObjectKey {
    ObjectKey::new(Kind::ManifestWork, CLUSTER, WORK)
}

fn account() -> ObjectKey {
    ObjectKey::new(Kind::ManagedServiceAccount, CLUSTER, GATEWAY)
}

fn turn(hub: &mut Hub) -> Plan {
    let plan = hub.cluster(CLUSTER);
    hub.turn(&Key::Cluster(CLUSTER.to_owned()));
    plan
}

fn left(hub: &Hub) -> Vec<String> {
    let all = Kind::ALL
        .iter()
        .copied()
        .flat_map(|kind| hub.observed.all(kind));
    let ours = all.filter(|(key, it)| {
        is_ours(it) && (key.namespace == CLUSTER || key.name.ends_with(CLUSTER))
    });
    ours.map(|(key, _)| key.to_string()).collect()
}

/// Whoever deletes everything at once deletes the policy that holds the operator back, too.
#[test]
fn the_policy_on_the_order_of_leaving_stays_as_long_as_the_configuration() {
    let mut hub = enrolled();
    let both = [
        Kind::ValidatingAdmissionPolicy,
        Kind::ValidatingAdmissionPolicyBinding,
    ];
    let both = both.map(|kind| ObjectKey::global(kind, LEAVING_POLICY));
    for key in &both {
        hub.write(key, &json!({"spec": {}}));
    }
    hub.settle();
    for key in &both {
        hub.remove(key);
        assert!(hub.observed.object(key).is_some(), "{key}");
    }
    hub.settle();
    let configuration = ObjectKey::global(Kind::GatewayConfiguration, SINGLETON);
    hub.remove(&configuration);
    let mut last = Vec::new();
    while hub.observed.object(&configuration).is_some() {
        assert!(both.iter().all(|key| hub.observed.object(key).is_some()));
        last = hub.plan(&Key::Hub).actions;
        for key in hub.keys() {
            hub.turn(&key);
        }
        hub.others_act();
    }
    // With the configuration, but before it, so that nothing of it is left if the operator goes now.
    let kinds: Vec<_> = last.iter().map(Action::kind).collect();
    let [policy, binding] = both.each_ref().map(|key| key.kind);
    assert_eq!(kinds, [binding, policy, Kind::GatewayConfiguration]);
    assert!(both.iter().all(|key| hub.observed.object(key).is_none()));
}

#[test]
fn the_account_goes_before_the_agent_and_the_agent_before_the_rows() {
    let mut hub = enrolled();
    unselect(&mut hub);
    let plan = turn(&mut hub);
    assert!(
        matches!(&plan.actions[..], [Action::Delete { key, .. }] if *key == account()),
        "{plan:?}"
    );
    let plan = turn(&mut hub);
    assert_eq!(plan.actions, []);
    assert!(plan.wake.is_some());
    assert!(hub.others_act());
    let plan = turn(&mut hub);
    assert!(
        matches!(&plan.actions[..], [Action::Delete { key, .. }] if *key == work()),
        "{plan:?}"
    );
    hub.settle();
    assert_eq!(left(&hub), [] as [String; 0]);
}

#[test]
fn a_cluster_that_is_gone_for_good_holds_nothing_for_longer_than_patience() {
    let mut hub = enrolled();
    hub.away.push(CLUSTER.to_owned());
    unselect(&mut hub);
    hub.settle();
    assert!(hub.observed.object(&account()).is_some());
    hub.pass(301);
    let plan = hub.cluster(CLUSTER);
    let warnings = plan.notes.iter().filter(|note| note.is_warning);
    let reasons: Vec<_> = warnings.map(|note| note.reason).collect();
    assert_eq!(reasons, ["TokenAbandoned"]);
    hub.settle();
    assert!(
        hub.observed.object(&work()).is_some(),
        "its own finalizer holds it"
    );
    hub.pass(301);
    let plan = hub.cluster(CLUSTER);
    let warnings = plan.notes.iter().filter(|note| note.is_warning);
    let reasons: Vec<_> = warnings.map(|note| note.reason).collect();
    assert_eq!(reasons, ["AgentAbandoned"]);
    // That is what people describe.
    let cluster = ObjectKey::global(Kind::ManagedCluster, CLUSTER);
    assert!(plan.notes.iter().all(|note| note.regarding == cluster));
    hub.settle();
    // The work is deleted, but its finalizer belongs to Open Cluster Management.
    assert_eq!(
        left(&hub),
        ["ManifestWork managed1/addon-cluster-gateway-deploy-0"]
    );
}

#[test]
fn a_cluster_that_is_gone_for_good_does_not_hold_the_configuration() {
    let mut hub = enrolled();
    let grant = ObjectKey::global(Kind::AccessGrant, "g");
    hub.write(
        &grant,
        &json!({"spec": {
            "clusters": {"names": [CLUSTER]}, "subjects": [{"kind": "User", "name": "alice"}],
            "role": {"clusterRole": "view"},
        }}),
    );
    hub.settle();
    hub.away.push(CLUSTER.to_owned());
    hub.disconnect(CLUSTER);
    let configuration = ObjectKey::global(Kind::GatewayConfiguration, SINGLETON);
    hub.remove(&configuration);
    for _ in 0..2 {
        hub.settle();
        assert!(hub.observed.object(&configuration).is_some());
        hub.pass(301);
    }
    hub.settle();
    assert!(hub.observed.object(&configuration).is_none());
    // The works go once the cluster itself answers, because their finalizer belongs to Open Cluster
    // Management.
    let works = ["addon-cluster-gateway-deploy-0", "spokeway-access-0"];
    assert_eq!(
        left(&hub),
        works.map(|work| format!("ManifestWork {CLUSTER}/{work}"))
    );
    hub.away.clear();
    hub.settle();
    assert_eq!(left(&hub), [] as [String; 0]);
}

#[test]
fn accounts_of_others_stay_and_are_let_go_once_nobody_looks_after_them() {
    let mut hub = enrolled();
    let theirs = ObjectKey::new(Kind::ManagedServiceAccount, CLUSTER, "theirs");
    hub.write(&theirs, &json!({"spec": {"rotation": {"validity": "24h"}}}));
    hub.settle();
    assert!(
        hub.observed
            .object(&theirs)
            .unwrap()
            .metadata
            .finalizers
            .is_some()
    );
    unselect(&mut hub);
    hub.settle();
    let kept = hub.observed.object(&theirs).unwrap();
    assert!(kept.metadata.deletion_timestamp.is_none());
    let held = kept
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|it| it == FINALIZER);
    assert!(!held);
}

#[test]
fn a_row_that_somebody_deletes_is_cleaned_up_after_and_made_anew() {
    let mut hub = enrolled();
    let row = row_key(CLUSTER, Addon::Gateway);
    let before = hub.observed.object(&row).unwrap().metadata.uid.clone();
    hub.remove(&row);
    hub.settle();
    let after = hub.observed.object(&row).unwrap();
    assert_ne!(after.metadata.uid, before);
    assert!(after.metadata.deletion_timestamp.is_none());
    assert!(hub.observed.object(&work()).is_some() && hub.observed.object(&account()).is_some());
}

#[test]
fn a_cluster_that_is_detached_or_declines_leaves_nothing() {
    let mut hub = enrolled();
    let key = ObjectKey::global(Kind::ManagedCluster, CLUSTER);
    hub.write(&key, &json!({"metadata": {"finalizers": ["ocm"]}}));
    hub.remove(&key);
    hub.settle();
    assert_eq!(left(&hub), [] as [String; 0]);

    let mut hub = enrolled();
    hub.write(
        &key,
        &json!({"metadata": {"annotations": {crds::addon::NO_INSTALL: "true"}}}),
    );
    hub.settle();
    assert_eq!(left(&hub), [] as [String; 0]);
}

#[test]
fn the_configuration_goes_last() {
    let mut hub = enrolled();
    let key = ObjectKey::global(Kind::GatewayConfiguration, SINGLETON);
    let finalizers = hub
        .observed
        .object(&key)
        .unwrap()
        .metadata
        .finalizers
        .clone();
    assert_eq!(finalizers.unwrap(), [gateway::FINALIZER]);
    hub.remove(&key);
    let plan = hub.plan(&Key::Hub);
    assert_eq!(plan.actions, [], "while a cluster has something");
    hub.settle();
    assert!(hub.observed.object(&key).is_none());
    let all = Kind::ALL
        .iter()
        .copied()
        .flat_map(|kind| hub.observed.all(kind));
    assert_eq!(all.filter(|(_, it)| is_ours(it)).count(), 0);
}

#[test]
fn with_credentials_that_somebody_manages_the_agent_revokes_the_token_before_it_stops_handling_them()
 {
    let mut hub = enrolled();
    let theirs = ObjectKey::new(Kind::ManagedServiceAccount, CLUSTER, "theirs");
    hub.write(&theirs, &json!({"spec": {"rotation": {"validity": "24h"}}}));
    hub.settle();
    hub.configure(&json!({"credentials": {"type": "Manual"}}));
    turn(&mut hub);
    let account = hub.observed.object(&account()).expect("it has a finalizer");
    assert!(account.metadata.deletion_timestamp.is_some());
    hub.settle();
    let accounts = hub.observed.within(Kind::ManagedServiceAccount, CLUSTER);
    let accounts: Vec<_> = accounts
        .map(|(key, it)| (key.name.as_str(), &it.metadata))
        .collect();
    // What others have stays, and the agent no longer holds it.
    let [("theirs", metadata)] = accounts[..] else {
        panic!("{accounts:?}");
    };
    assert!(metadata.finalizers.is_none() && metadata.deletion_timestamp.is_none());
    let tokens = ObjectKey::new(Kind::RoleBinding, CLUSTER, TOKENS_ROLE);
    assert!(hub.observed.object(&tokens).is_none());
    assert!(
        hub.observed
            .object(&row_key(CLUSTER, Addon::Accounts))
            .is_none()
    );

    // And back.
    hub.configure(&json!({"credentials": {"type": "ManagedServiceAccount"}}));
    hub.settle();
    assert!(hub.observed.object(&self::account()).is_some());
}

#[test]
fn a_cluster_that_is_away_when_credentials_become_manual_revokes_the_token_when_it_is_back() {
    let mut hub = enrolled();
    hub.away.push(CLUSTER.to_owned());
    hub.configure(&json!({"credentials": {"type": "Manual"}}));
    hub.settle();
    hub.pass(3600);
    hub.settle();
    assert!(hub.observed.object(&account()).is_some());
    hub.away.clear();
    hub.settle();
    assert!(hub.observed.object(&account()).is_none());
}
