//! Reports of watches and late answers, in any order.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ServiceAccount as KubeServiceAccount;
use kube::runtime::watcher::Event;
use serde_json::json;

use super::*;
use crate::tokens::{ownership::Owner, plan::Action};

fn account(uid: &str, version: u64) -> KubeServiceAccount {
    serde_json::from_value(json!({"metadata": {
        "name": "gateway", "uid": uid, "resourceVersion": version.to_string(),
    }}))
    .unwrap()
}

fn listed() -> Fleet {
    let mut fleet = Fleet::new(Site::default());
    for event in [
        Event::Init,
        Event::InitApply(account("a", 5)),
        Event::InitDone,
    ] {
        fleet.observe(Change::ServiceAccounts(event), Timestamp::UNIX_EPOCH);
    }
    for event in [Event::Init, Event::InitDone] {
        fleet.observe(Change::Accounts(event), Timestamp::UNIX_EPOCH);
    }
    fleet
}

fn known(fleet: &Fleet) -> Option<&str> {
    let seen = fleet.seen().next()?;
    Some(seen.service_account.as_ref()?.version.uid.as_str())
}

#[test]
fn an_account_is_worked_on_by_one_call_at_a_time() {
    let mut fleet = listed();
    let work = fleet.next(Timestamp::UNIX_EPOCH).unwrap();
    let uid = "a".to_owned();
    assert_eq!(work.action, Action::DeleteServiceAccount { uid });
    let event = Event::Apply(account("a", 6));
    fleet.observe(Change::ServiceAccounts(event), Timestamp::UNIX_EPOCH);
    assert!(fleet.next(Timestamp::UNIX_EPOCH).is_none());
    let (step, gone) = (Step::DeleteServiceAccount, Outcome::ServiceAccountGone);
    fleet.finish("gateway", step, gone, Timestamp::UNIX_EPOCH);
    assert!(fleet.next(Timestamp::UNIX_EPOCH).is_none());
    assert_eq!(fleet.seen().count(), 0, "nothing is kept of what is gone");
}

#[test]
fn the_uninstall_of_another_hubs_agent_retires_nobody() {
    let now = Timestamp::UNIX_EPOCH;
    let site = Site {
        owner: Some(Owner::new("a", "managed1")),
        ..Site::default()
    };
    let mut fleet = Fleet::new(site);
    for (hub, retires) in [("b", false), ("a", true)] {
        let name = retirement_of(Some(&Owner::new(hub, "managed1")));
        let mark = json!({"metadata": {"name": name, "uid": hub, "resourceVersion": "1"}});
        let mark = serde_json::from_value(mark).unwrap();
        fleet.observe(Change::ServiceAccounts(Event::Apply(mark)), now);
        assert_eq!(fleet.site.retired_until.is_some(), retires, "{hub}");
    }
}

#[test]
fn what_a_new_list_lacks_is_gone_and_what_is_older_is_not_believed() {
    let mut fleet = listed();
    let event = Event::Apply(account("a", 4));
    fleet.observe(Change::ServiceAccounts(event), Timestamp::UNIX_EPOCH);
    let version = |fleet: &Fleet| {
        let seen = fleet.seen().next().unwrap();
        seen.service_account
            .clone()
            .unwrap()
            .version
            .resource_version
    };
    assert_eq!(version(&fleet), "5");
    let other = Event::Delete(account("before", 3));
    fleet.observe(Change::ServiceAccounts(other), Timestamp::UNIX_EPOCH);
    assert_eq!(known(&fleet), Some("a"), "another of its name went");
    for event in [Event::Init, Event::InitDone] {
        fleet.observe(Change::ServiceAccounts(event), Timestamp::UNIX_EPOCH);
    }
    assert_eq!(known(&fleet), None);
}

#[test]
fn a_late_answer_brings_nothing_back() {
    let mut fleet = listed();
    let event = Event::Delete(account("a", 7));
    fleet.observe(Change::ServiceAccounts(event), Timestamp::UNIX_EPOCH);
    let late = Outcome::ServiceAccount(ServiceAccount::read(&account("a", 6)));
    fleet.finish(
        "gateway",
        Step::CreateServiceAccount,
        late,
        Timestamp::UNIX_EPOCH,
    );
    assert_eq!(known(&fleet), None);
}

#[test]
fn no_tokens_death_waits_for_the_remains_of_another() {
    let named = |kind: &str, name: &str| {
        json!({"apiVersion": "v1", "kind": kind, "metadata": {
            "name": name, "uid": format!("{kind}-{name}"), "resourceVersion": "5",
            "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [crds::authentication::FINALIZER],
        }, "spec": {"rotation": {}}})
    };
    let mut fleet = Fleet::new(Site::default());
    let now = Timestamp::UNIX_EPOCH;
    let accounts = ["one", "two"].map(|name| {
        let object = named("ManagedServiceAccount", name);
        Event::InitApply(serde_json::from_value(object).unwrap())
    });
    let found = ["one", "two"].map(|name| {
        let object = json!({"metadata": {"name": name, "uid": name, "resourceVersion": "5"}});
        Event::InitApply(serde_json::from_value(object).unwrap())
    });
    for event in [Event::Init]
        .into_iter()
        .chain(accounts)
        .chain([Event::InitDone])
    {
        fleet.observe(Change::Accounts(event), now);
    }
    for event in [Event::Init]
        .into_iter()
        .chain(found)
        .chain([Event::InitDone])
    {
        fleet.observe(Change::ServiceAccounts(event), now);
    }
    for event in [Event::Init, Event::InitDone] {
        fleet.observe(Change::Secrets(event), now);
    }
    let mut steps = Vec::new();
    while let Some(work) = fleet.next(now) {
        let step = work.action.step();
        steps.push(step);
        let outcome = match step {
            Step::DeleteServiceAccount => Outcome::ServiceAccountGone,
            _ => Outcome::AccountGone,
        };
        fleet.finish(&work.name, step, outcome, now);
    }
    let (dies, goes) = (Step::DeleteServiceAccount, Step::RemoveFinalizer);
    assert_eq!(steps, [dies, dies, goes, goes]);
}
