//! The deletion of accounts.

use jiff::Timestamp;

use super::model::{Model, START};
use crate::tokens::{
    plan::{Action, Plan, Remains},
    seen::Step::*,
};

fn deleted() -> Model {
    let mut model = Model::served();
    let now = model.now;
    model.change(|account| account.deleting = Some(now));
    model
}

#[test]
fn the_token_dies_first_and_the_account_goes_last() {
    let mut model = deleted();
    assert_eq!(model.settle(), None);
    assert_eq!(
        model.calls,
        [DeleteServiceAccount, DeleteSecret, RemoveFinalizer]
    );
}

#[test]
fn an_account_that_goes_is_not_served_whoever_holds_it() {
    let mut model = deleted();
    model.change(|account| account.finalizers = vec!["somebody/else".to_owned()]);
    model.settle();
    assert_eq!(model.calls, [DeleteServiceAccount, DeleteSecret]);
    model.live(10_000);
    assert_eq!(model.calls, [DeleteServiceAccount, DeleteSecret]);
}

#[test]
fn what_was_never_issued_holds_nothing_up() {
    let mut model = Model::new();
    model.failing = vec![(CreateServiceAccount, "ServiceAccountConflict")];
    model.settle();
    model.calls.clear();
    let now = model.now;
    model.change(|account| account.deleting = Some(now));
    model.settle();
    assert_eq!(model.calls, [RemoveFinalizer]);
}

#[test]
fn a_cluster_that_is_away_holds_the_account_for_a_bounded_time() {
    let mut model = deleted();
    model.failing = vec![(DeleteServiceAccount, "ClusterUnreachable")];
    model.live(599);
    assert_eq!(model.count(DeleteSecret), 1, "the hub's copy goes at once");
    assert_eq!(model.count(RemoveFinalizer), 0);
    assert_eq!(model.condition("TokenReported"), "False RevocationPending");
    let conditions = &model.seen.account.as_ref().unwrap().status.conditions;
    let message = &conditions.last().unwrap().message;
    assert!(
        message.contains("token-revocation") && message.contains("kubectl -n managed1"),
        "{message}"
    );
    model.pass(1);
    // The agent tries once more before it gives up.
    model.live(1);
    assert_eq!(model.count(RemoveFinalizer), 1);

    // The cluster answers again, and the account no longer exists.
    model.failing.clear();
    model.calls.clear();
    model.pass(60);
    model.settle();
    assert_eq!(model.calls, [DeleteServiceAccount]);
}

#[test]
fn giving_up_is_told_from_revoking() {
    let mut model = deleted();
    model.seen.secret = None;
    model.site.service_accounts_listed = false;
    model.seen.service_account = None;
    let until = Timestamp::from_second(START + 600).unwrap();
    assert_eq!(
        model.settle(),
        Some(until),
        "nobody knows whether there is a token"
    );
    model.now = until;
    let token = Remains::Abandoned;
    assert_eq!(model.plan(), Plan::Act(Action::RemoveFinalizer { token }));
    model.site.service_accounts_listed = true;
    let token = Remains::Revoked;
    assert_eq!(model.plan(), Plan::Act(Action::RemoveFinalizer { token }));
}

#[test]
fn orphans_die_once_the_accounts_are_known() {
    let mut model = Model::served();
    model.seen.account = None;
    model.site.accounts_listed = false;
    assert_eq!(model.plan(), Plan::Wait(None));
    model.site.accounts_listed = true;
    model.settle();
    assert_eq!(model.calls, [DeleteServiceAccount]);
}

#[test]
fn an_account_ends_to_the_second() {
    let mut model = Model::new();
    model.change(|account| account.ttl = Some(60));
    let end = Timestamp::from_second(START + 60).unwrap();
    assert_eq!(model.settle(), Some(end));
    model.calls.clear();
    model.now = end;
    assert_eq!(model.plan(), Plan::Act(Action::DeleteAccount));
}
