//! Renewals over a long time.

use proptest::prelude::*;

use super::model::Model;
use crate::tokens::seen::Step::{RequestToken, ReviewToken, WriteSecret, WriteStatus};

#[test]
fn a_steady_hour_has_no_call_at_all() {
    let mut model = Model::new();
    model.wants("24h");
    model.settle();
    model.calls.clear();
    for _ in 0..3600 {
        model.pass(1);
        model.settle();
    }
    assert!(model.calls.is_empty(), "{:?}", model.calls);
}

#[test]
fn a_shorter_validity_is_asked_for_at_once_and_once() {
    type Issuer = fn(i64) -> i64;
    for (case, issues, validity, requests) in [
        ("as asked", (|seconds| seconds) as Issuer, "10m", 1),
        (
            "an issuer that clamps upwards",
            |seconds: i64| seconds.max(3600),
            "10m",
            0,
        ),
        ("longer is for the next renewal", |seconds| seconds, "2h", 0),
    ] {
        let mut model = Model::new();
        model.issues = issues;
        model.settle();
        model.calls.clear();
        model.wants(validity);
        model.live(120);
        // A lifetime shorter than the issuer gives may be requested, but never more than once.
        assert!(model.count(RequestToken) <= 1, "{case}: {:?}", model.calls);
        if requests == 1 {
            assert_eq!(
                model.calls,
                [RequestToken, WriteSecret, WriteStatus],
                "{case}"
            );
        }
    }
}

#[test]
fn an_issuer_that_clamps_to_a_day_is_asked_about_once_a_day() {
    let mut model = Model::new();
    model.issues = |seconds| seconds.min(86_400);
    model.wants("8640h");
    model.live(30 * 86_400);
    let requests = model.count(RequestToken);
    assert!(
        (38..=43).contains(&requests),
        "{requests} requests in 30 days"
    );
    model.restart();
    model.calls.clear();
    model.live(3600);
    assert!(
        model.count(RequestToken) <= 1 && model.count(ReviewToken) <= 1,
        "{:?}",
        model.calls
    );
}

#[test]
fn a_refused_renewal_leaves_the_token_reported_until_it_is_dead() {
    let mut model = Model::served();
    model.failing = vec![(RequestToken, "ClusterUnreachable")];
    model.live(3500);
    assert!(model.works());
    assert_eq!(model.condition("TokenReported"), "True TokenReported");
    model.live(200);
    assert_eq!(model.condition("TokenReported"), "False ClusterUnreachable");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever the validity, the issuer's limits and the clocks: a working token exists at any
    /// time, and there are at most five requests per lifetime, or two if the clocks agree within a
    /// tenth.
    #[test]
    fn always_a_token_and_never_a_storm(
        validity in 600_i64..10_000_000,
        clamp in 0_usize..3,
        skew in prop_oneof![-60_i64..60, -100_000_000_i64..100_000_000],
    ) {
        let mut model = Model::new();
        model.issues = [|seconds| seconds, |seconds: i64| seconds.min(86_400), |seconds: i64| seconds.max(3600)][clamp];
        model.skew = skew;
        model.wants(&format!("{validity}s"));
        model.settle();
        let lifetime = (model.issues)(validity);
        for _ in 0..50 {
            prop_assert!(model.works());
            model.live(lifetime / 5);
        }
        let requests = model.count(RequestToken);
        let most = if skew.abs() <= lifetime / 10 { 16 } else { 51 };
        prop_assert!((10..=most).contains(&requests), "{requests} requests in 10 lifetimes");
        prop_assert_eq!(model.count(ReviewToken), 0);
    }
}
