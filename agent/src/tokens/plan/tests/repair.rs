//! Changes that others make to the objects, and how they are repaired.

use jiff::Timestamp;

use super::model::{Model, START};
use crate::tokens::{
    seen::Step::{self, *},
    token::Token,
};

const RENEWAL: [Step; 3] = [RequestToken, WriteSecret, WriteStatus];

fn at(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(START + seconds).ok()
}

#[test]
fn a_deleted_secret_is_back_at_once() {
    let mut model = Model::served();
    model.seen.secret = None;
    model.pass(1);
    model.settle();
    assert_eq!(model.calls, RENEWAL);
}

#[test]
fn a_token_that_is_none_stays_for_a_moment_only() {
    for text in ["", "fake", "a.b.c"] {
        let mut model = Model::served();
        model.pass(10);
        model.edit(|secret| secret.token = Token::from_bytes(text.as_bytes()));
        assert_eq!(model.settle(), at(13), "{text:?}");
        assert!(model.calls.is_empty(), "{text:?}: {:?}", model.calls);
        model.pass(3);
        model.settle();
        assert_eq!(model.calls, RENEWAL, "{text:?}");
    }
}

#[test]
fn edits_one_after_the_other_are_each_visible_for_a_moment() {
    let mut model = Model::served();
    model.edit(|secret| secret.token = Some(Token::from("one")));
    model.pass(2);
    model.edit(|secret| secret.token = Some(Token::from("two")));
    assert_eq!(model.settle(), at(5));
}

#[test]
fn a_token_that_somebody_else_wrote_is_reviewed_once() {
    let renewed: &[Step] = &[ReviewToken, RequestToken, WriteSecret, WriteStatus];
    for (vouches, expected) in [(true, &[ReviewToken, WriteStatus][..]), (false, renewed)] {
        let mut model = Model::served();
        model.vouches = vouches;
        let uid = model
            .seen
            .service_account
            .as_ref()
            .unwrap()
            .version
            .uid
            .clone();
        model.pass(1);
        let token = model.token(&uid, 3600);
        model.edit(|secret| secret.token = Some(token));
        model.settle();
        assert!(!model.calls.contains(&RequestToken), "{:?}", model.calls);
        for _ in 0..3 {
            model.pass(3);
            model.settle();
        }
        assert_eq!(model.calls, expected, "good: {vouches}");
    }
}

#[test]
fn another_label_or_annotation_costs_nothing() {
    let mut model = Model::served();
    model.edit(|_| {});
    model.settle();
    assert!(model.calls.is_empty(), "{:?}", model.calls);
}

#[test]
fn a_service_account_that_went_takes_its_token_along() {
    let mut model = Model::served();
    model.seen.service_account = None;
    model.pass(1);
    model.settle();
    assert_eq!(
        model.calls,
        [CreateServiceAccount, RequestToken, WriteSecret, WriteStatus]
    );
}

#[test]
fn a_token_of_a_namespace_that_the_agent_left_is_replaced() {
    let mut model = Model::served();
    model.site.namespace = "elsewhere".to_owned();
    model.seen.service_account = None;
    model.restart();
    model.live(10);
    assert_eq!(
        model.calls,
        [CreateServiceAccount, RequestToken, WriteSecret, WriteStatus]
    );
}

#[test]
fn a_service_account_of_an_account_before_us_goes_first() {
    let mut model = Model::served();
    model
        .seen
        .service_account
        .as_mut()
        .unwrap()
        .mark
        .account_uid = Some("account-0".to_owned());
    model.settle();
    assert_eq!(
        model.calls[..2],
        [DeleteServiceAccount, CreateServiceAccount]
    );
}

#[test]
fn a_new_authority_is_written_at_once_and_one_of_somebody_else_after_a_moment() {
    let mut model = Model::served();
    model.site.authority = b"ca-2".as_slice().into();
    model.settle();
    assert_eq!(model.calls, [WriteSecret]);
    model.calls.clear();
    model.edit(|secret| secret.authority = b"evil".to_vec());
    assert_eq!(model.settle(), at(3));
    assert!(model.calls.is_empty());
    model.pass(3);
    model.settle();
    assert_eq!(model.calls, [WriteSecret]);
    assert_eq!(model.seen.secret.as_ref().unwrap().authority, b"ca-2");
}

#[test]
fn other_audiences_are_asked_for_at_once_and_once() {
    let mut model = Model::served();
    model.change(|account| account.spec.as_mut().unwrap().audiences = vec!["vault".to_owned()]);
    model.pass(1);
    // The model's issuer ignores the requested audiences. Requesting them again would not help.
    model.live(600);
    assert_eq!(model.count(RequestToken), 1);
    model.change(|account| account.spec.as_mut().unwrap().audiences.clear());
    model.live(600);
    assert_eq!(model.count(RequestToken), 2);
}
