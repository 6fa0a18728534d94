//! When to renew a token. Pure arithmetic on seconds that tolerates differences between the two
//! clocks and issuers that change lifetimes.

use jiff::Timestamp;
use kubernetes::pauses::jitter;

use super::token::Claims;

/// By how many seconds a time of receipt may be in the future, e.g. after the clock was set back.
/// Others are ignored.
const CREDIBLE: i64 = 60;

/// The time of renewal: after 80 % of the real lifetime, less up to 10 % that depends on the
/// account's UID, so that many accounts that were created together are not renewed together.
///
/// The claims are in the managed cluster's time; `received` and the result are in the agent's. If
/// the time of receipt is known, the lifetime is counted from there, and only the agent's clock
/// matters. This would be too late if the agent's clock was set back since. Therefore, the result
/// is at most the expiry, read as the agent's time, less a twentieth of the lifetime. If the
/// agent's clock is ahead, that limit alone would renew at once and for ever. Therefore, at least a
/// fifth of the lifetime passes first, and there are at most five renewals per lifetime, whatever
/// the clocks say. If the time of receipt is not known, only the claims are used; the renewed token
/// then has one.
pub(crate) fn refresh_at(
    claims: &Claims,
    received: Option<Timestamp>,
    uid: &str,
    now: Timestamp,
) -> Timestamp {
    let lifetime = claims.lifetime();
    let lead = lifetime / 5 + jitter(uid, lifetime / 10);
    let expires = claims.expires.as_second();
    let second = match credible(received, now) {
        Some(received) => (received + lifetime - lead)
            .min(expires - lifetime / 20)
            .max(received + lifetime / 5),
        None => expires - lead,
    };
    at(second)
}

/// When the token stops working, as far as that is known.
pub(crate) fn dead_at(claims: &Claims, received: Option<Timestamp>, now: Timestamp) -> Timestamp {
    credible(received, now).map_or(claims.expires, |received| {
        at(received.saturating_add(claims.lifetime()))
    })
}

/// True if `wanted` is shorter than the lifetime that was requested for the token, and shorter than
/// its real lifetime. If the issuer changed the requested lifetime, requesting it again would not
/// help.
pub(crate) fn outlives(claims: &Claims, requested: Option<i64>, wanted: i64) -> bool {
    requested.is_none_or(|requested| wanted < requested) && wanted < claims.lifetime()
}

fn credible(received: Option<Timestamp>, now: Timestamp) -> Option<i64> {
    let received = received?.as_second();
    (received <= now.as_second().saturating_add(CREDIBLE)).then_some(received)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claims(issued: i64, lifetime: i64) -> Claims {
        Claims {
            subject: String::new(),
            account_uid: String::new(),
            audiences: Vec::new(),
            issued: at(issued),
            expires: at(issued + lifetime),
        }
    }

    #[test]
    fn renews_between_seven_and_eight_tenths() {
        let renewals: Vec<_> = (0..100)
            .map(|uid| {
                refresh_at(&claims(0, 1000), Some(at(0)), &uid.to_string(), at(0)).as_second()
            })
            .collect();
        assert!(
            renewals.iter().all(|at| (700..=800).contains(at)),
            "{renewals:?}"
        );
        let spread = renewals.iter().max().unwrap() - renewals.iter().min().unwrap();
        assert!(spread > 70, "{renewals:?}");
    }

    #[test]
    fn table_of_clocks() {
        // The lifetime is 3600 from the managed cluster's second 10000. The token was received at
        // `received` by the agent's clock.
        for (case, received, now, from, to) in [
            ("same clock", Some(10_000), 10_000, 12_520, 12_880),
            ("ours is an hour behind", Some(6_400), 6_400, 8_920, 9_280),
            ("ours is 10 min ahead", Some(10_600), 10_600, 13_120, 13_420),
            (
                "ours is half an hour ahead",
                Some(11_800),
                11_800,
                13_420,
                13_420,
            ),
            ("ours is a day ahead", Some(96_400), 96_400, 97_120, 97_120),
            ("unknown receipt", None, 10_000, 12_520, 12_880),
            ("ours went back a day", Some(96_400), 10_000, 12_520, 12_880),
        ] {
            let at =
                refresh_at(&claims(10_000, 3600), received.map(at), "uid", at(now)).as_second();
            assert!((from..=to).contains(&at), "{case}: {at}");
        }
    }

    #[test]
    fn shorter_wishes_count_once_and_clamps_do_not() {
        for (case, lifetime, requested, wanted, expected) in [
            ("as asked", 3600, Some(3600), 3600, false),
            ("shrunk", 3600, Some(3600), 600, true),
            ("grown", 3600, Some(3600), 7200, false),
            ("clamped down", 86_400, Some(31_104_000), 31_104_000, false),
            (
                "shrunk, but not below the clamp",
                86_400,
                Some(31_104_000),
                90_000,
                false,
            ),
            (
                "shrunk below the clamp",
                86_400,
                Some(31_104_000),
                3600,
                true,
            ),
            ("clamped up", 3600, Some(600), 600, false),
            ("an account from before us", 31_104_000, None, 86_400, true),
            (
                "an account from before us, clamped",
                86_400,
                None,
                31_104_000,
                false,
            ),
        ] {
            assert_eq!(
                outlives(&claims(0, lifetime), requested, wanted),
                expected,
                "{case}"
            );
        }
    }

    proptest! {
        /// Whatever the lifetime and the skew, the renewal comes while the token is still valid by
        /// the true clock, and not before a fifth of its lifetime has passed.
        #[test]
        fn in_time_and_no_storm(
            lifetime in 600_i64..400_000_000,
            skew in -400_000_000_i64..400_000_000,
            uid in "[0-9a-f]{8}",
        ) {
            let issued = 1_800_000_000;
            let received = issued + skew;
            let at = refresh_at(&claims(issued, lifetime), Some(at(received)), &uid, at(received));
            let after = at.as_second() - received;
            prop_assert!(after >= lifetime / 5, "after {after} of {lifetime}");
            prop_assert!(after <= lifetime * 8 / 10 + 1, "after {after} of {lifetime}");
        }

        #[test]
        fn no_input_overflows(
            issued in -300_000_000_000_i64..200_000_000_000, lifetime in 1_i64..50_000_000_000,
            received in proptest::option::of(-300_000_000_000_i64..250_000_000_000),
            now in -300_000_000_000_i64..250_000_000_000, uid in ".*",
        ) {
            let claims = claims(issued, lifetime);
            let _ = refresh_at(&claims, received.map(at), &uid, at(now));
            let _ = dead_at(&claims, received.map(at), at(now));
        }
    }
}
