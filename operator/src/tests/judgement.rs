//! No grant is carried to a cluster that nobody has judged, whatever happens to the policy and whenever
//! the operator runs.

use crds::{
    addon::Version,
    gateway::{AccessGrantStatus, GrantState},
};
use serde_json::json;

use super::model::Hub;
use crate::{
    guard::Policy,
    kind::{Kind, ObjectKey},
    object::part,
};

const BINDING: Kind = Kind::ValidatingAdmissionPolicyBinding;

fn hub() -> Hub {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.accept("managed1", &json!({}));
    hub.settle();
    hub
}

fn key() -> ObjectKey {
    ObjectKey::global(Kind::AccessGrant, "g")
}

fn grant(hub: &mut Hub, role: &str) {
    hub.write(
        &key(),
        &json!({"spec": {
            "clusters": {"names": ["managed1"]},
            "subjects": [{"kind": "User", "name": "eve"}],
            "role": {"clusterRole": role},
        }}),
    );
}

/// Removes the policy's binding.
fn open(hub: &mut Hub) {
    let key = ObjectKey::global(BINDING, Policy::Grants.name());
    hub.observed.forget(&key, hub.now);
}

/// Creates the binding again, now.
fn close(hub: &mut Hub) {
    let [_, binding] = Policy::Grants.shipped();
    let key = ObjectKey::global(BINDING, Policy::Grants.name());
    hub.write(&key, &json!({"spec": binding["spec"]}));
}

fn status(hub: &Hub) -> AccessGrantStatus {
    part(hub.observed.object(&key()).unwrap(), "status").unwrap_or_default()
}

/// The state on the cluster, and whether the cluster carries anything of the grant.
fn state(hub: &Hub) -> (GrantState, String, bool) {
    let states = status(hub).cluster_states;
    let works = hub.observed.within(Kind::ManifestWork, "managed1");
    let is_carried = works
        .map(|(key, work)| hub.whole(key, work).to_string())
        .any(|text| text.contains("spokeway:grant:g:"));
    (states[0].state, states[0].reason.clone(), is_carried)
}

fn applied() -> (GrantState, String, bool) {
    (GrantState::Applied, String::new(), true)
}

fn held_back() -> (GrantState, String, bool) {
    (GrantState::Pending, "Unguarded".to_owned(), false)
}

#[test]
fn a_grant_that_was_created_while_nobody_judged_is_held_back_until_it_is_created_again() {
    let mut hub = hub();
    open(&mut hub);
    grant(&mut hub, "cluster-admin");
    hub.settle();
    assert_eq!(state(&hub), held_back());
    close(&mut hub);
    hub.settle();
    assert_eq!(state(&hub), held_back());
    let message = &status(&hub).cluster_states[0].message;
    assert!(message.contains("kubectl replace --force"), "{message}");

    hub.remove(&key());
    hub.settle();
    hub.pass(6);
    grant(&mut hub, "cluster-admin");
    hub.settle();
    assert_eq!(state(&hub), applied());
}

#[test]
fn an_operator_that_was_away_meanwhile_does_not_take_the_grant_for_judged() {
    let mut hub = hub();
    open(&mut hub);
    grant(&mut hub, "view");
    hub.pass(60);
    close(&mut hub);
    hub.pass(60);
    hub.settle();
    assert_eq!(state(&hub), held_back());
}

#[test]
fn a_change_while_nobody_judged_takes_the_rights_away() {
    let mut hub = hub();
    grant(&mut hub, "view");
    hub.settle();
    assert_eq!(state(&hub), applied());
    open(&mut hub);
    hub.settle();
    assert_eq!(state(&hub), applied());
    grant(&mut hub, "cluster-admin");
    // No operator runs until the policy is back.
    hub.pass(60);
    close(&mut hub);
    hub.pass(60);
    hub.settle();
    assert_eq!(state(&hub), held_back());

    // A later change was judged, because the policy has not changed since the operator looked.
    grant(&mut hub, "edit");
    hub.settle();
    assert_eq!(state(&hub), applied());
}

#[test]
fn a_change_right_after_the_policy_is_back_may_not_have_been_judged() {
    let mut hub = hub();
    grant(&mut hub, "view");
    hub.settle();
    open(&mut hub);
    hub.pass(60);
    close(&mut hub);
    hub.settle();
    grant(&mut hub, "cluster-admin");
    hub.settle();
    assert_eq!(state(&hub), held_back());
    hub.pass(6);
    hub.settle();
    grant(&mut hub, "edit");
    hub.settle();
    assert_eq!(state(&hub), applied());
}

#[test]
fn a_change_while_the_operator_was_away_counts_if_the_policy_is_as_it_was() {
    let mut hub = hub();
    grant(&mut hub, "view");
    hub.settle();
    hub.pass(3600);
    grant(&mut hub, "edit");
    hub.settle();
    assert_eq!(state(&hub), applied());
}
