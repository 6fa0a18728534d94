//! The way from a new account to a token, and what can prevent it.

use crds::authentication::{SECRET_CREATED, TOKEN_REPORTED};
use proptest::prelude::*;

use super::model::Model;
use crate::tokens::{
    objects::Fault,
    plan::Plan,
    seen::Step::{self, *},
};

#[test]
fn five_calls_make_a_token_and_then_there_is_nothing_to_do() {
    let mut model = Model::new();
    let until = model.settle().unwrap();
    assert_eq!(
        model.calls,
        [
            AddFinalizer,
            CreateServiceAccount,
            RequestToken,
            WriteSecret,
            WriteStatus
        ]
    );
    let after = until.as_second() - super::model::START;
    assert!((2520..=2880).contains(&after), "renews after {after} s");
    assert_eq!(model.condition(SECRET_CREATED), "True SecretCreated");
    assert_eq!(model.condition(TOKEN_REPORTED), "True TokenReported");
    let status = &model.seen.account.as_ref().unwrap().status;
    assert_eq!(status.observed_generation, Some(1));
    assert!(
        status
            .conditions
            .iter()
            .all(|condition| condition.observed_generation == Some(1))
    );
    assert_eq!(status.token_secret_ref.as_ref().unwrap().name, "gateway");
}

#[test]
fn a_restart_costs_one_review_and_no_write() {
    let mut model = Model::served();
    model.restart();
    model.settle();
    model.pass(60);
    model.settle();
    assert_eq!(model.calls, [ReviewToken]);
}

#[test]
fn what_makes_no_sense_is_said_and_not_served() {
    let mut model = Model::new();
    model.change(|account| {
        let fault = Fault {
            reason: "InvalidValidity",
            message: "banana".to_owned(),
        };
        account.spec = Err(fault);
    });
    assert_eq!(model.settle(), None);
    assert_eq!(model.calls, [WriteStatus]);
    assert_eq!(model.condition(TOKEN_REPORTED), "False InvalidValidity");
}

#[test]
fn a_service_account_of_somebody_else_is_said_and_not_used() {
    let mut model = Model::new();
    model.failing = vec![(CreateServiceAccount, "ServiceAccountConflict")];
    model.settle();
    assert_eq!(model.count(RequestToken), 0);
    assert_eq!(
        model.condition(TOKEN_REPORTED),
        "False ServiceAccountConflict"
    );
}

#[test]
fn a_secret_of_somebody_else_is_said_and_left_alone() {
    let mut model = Model::new();
    model.failing = vec![(WriteSecret, "SecretConflict")];
    model.live(300);
    assert_eq!(model.condition(SECRET_CREATED), "False SecretConflict");
    assert_eq!(model.condition(TOKEN_REPORTED), "False SecretConflict");
    assert_eq!(
        model.count(RequestToken),
        1,
        "one token waits for the Secret to go"
    );

    let mut model = Model::served();
    model.edit(|secret| secret.owners.clear());
    model.live(10_000);
    assert_eq!(model.calls, [WriteStatus], "labelled, and owned by nobody");
    assert_eq!(model.condition(SECRET_CREATED), "False SecretConflict");
}

#[test]
fn the_answer_to_a_hub_that_drops_a_field_is_not_to_ask_for_ever() {
    let mut model = Model::served();
    model.restart();
    model.change(|account| account.status.observed_generation = None);
    model.settle();
    let dropped = |model: &mut Model| {
        model.change(|account| account.status.observed_generation = None);
        let got = model.seen.account.as_ref().unwrap().status.clone();
        model.seen.memory.status.as_mut().unwrap().1 = got;
    };
    dropped(&mut model);
    model.calls.clear();
    model.settle();
    assert!(model.calls.is_empty(), "{:?}", model.calls);
}

#[test]
fn nothing_is_issued_before_everything_is_listed_or_while_retired() {
    let mut model = Model::new();
    model.site.service_accounts_listed = false;
    assert_eq!(model.plan(), Plan::Wait(None));
    let mut model = Model::new();
    let until = jiff::Timestamp::from_second(super::model::START + 600).unwrap();
    model.site.retired_until = Some(until);
    assert_eq!(model.settle(), Some(until));
    assert_eq!(model.calls, [WriteStatus]);
    model.now = until;
    model.settle();
    assert!(model.works());
}

const STEPS: [Step; 5] = [
    AddFinalizer,
    CreateServiceAccount,
    RequestToken,
    WriteSecret,
    WriteStatus,
];

proptest! {
    /// Whatever fails, and for how long: there is a token soon after the failures end, and no storm
    /// of calls before.
    #[test]
    fn failures_delay_and_do_not_storm(which in 0..STEPS.len(), seconds in 1_i64..3_000) {
        let mut model = Model::new();
        model.failing = vec![(STEPS[which], "Forbidden")];
        model.live(seconds);
        let attempts = i64::try_from(model.count(STEPS[which])).unwrap();
        prop_assert!(attempts <= 12 + seconds / 20, "{attempts} attempts in {seconds} s");
        model.failing.clear();
        model.live(60);
        prop_assert!(model.works());
        prop_assert_eq!(model.condition(TOKEN_REPORTED), "True TokenReported");
        let requests = model.count(RequestToken);
        prop_assert!(STEPS[which] == RequestToken || requests <= 3, "{} requests", requests);
    }
}
