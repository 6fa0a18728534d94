//! Decides whether the token in a Secret may stay there.

use jiff::{SignedDuration, Timestamp};

use super::{
    objects::{Secret, ServiceAccount, Spec},
    schedule,
    seen::{Observed, after},
};

/// How long the agent leaves what somebody else wrote, so that a user who tries something sees the
/// effect, and a program that copies Secrets is done.
pub(crate) const TOLERATED: SignedDuration = SignedDuration::from_secs(3);

/// What to do about a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing before this time.
    Good(Timestamp),
    /// Review it, because it looks good but somebody else wrote it.
    Review(Timestamp),
    /// Replace it from this time on, because it does not work.
    Bad(Timestamp),
    /// Replace it now, although it works.
    Due,
}

/// Judges a token by its claims and annotations. Only [`Verdict::Review`] needs the managed
/// cluster.
pub(crate) fn judge(
    observed: &Observed<'_>,
    spec: &Spec,
    account: &ServiceAccount,
    secret: &Secret,
    now: Timestamp,
) -> Verdict {
    let (site, memory) = (observed.site, &observed.seen.memory);
    let tolerated = Verdict::Bad(after(secret.since, TOLERATED));
    let (Some(token), Some(claims)) = (&secret.token, &secret.claims) else {
        return tolerated;
    };
    let written = memory.wrote(token);
    let trusted = memory.trusts(token);
    if claims.subject != subject(&site.namespace, observed.name) {
        return tolerated;
    }
    if memory.rejected.as_ref() == Some(token) {
        return tolerated;
    }
    let request = written.map_or(&secret.request, |written| &written.request);
    let received = received(observed, secret);
    if claims.account_uid != account.version.uid || schedule::dead_at(claims, received, now) <= now
    {
        return Verdict::Bad(now);
    }
    // If the issuer changed what the agent requested, requesting it again would not help.
    let meant = request.audiences == spec.audiences
        && (written.is_some() || spec.audiences.is_empty() || claims.audiences == spec.audiences);
    if !meant {
        return if trusted {
            Verdict::Bad(now)
        } else {
            tolerated
        };
    }
    if schedule::outlives(claims, request.seconds, spec.validity.seconds()) {
        return Verdict::Due;
    }
    let uid = observed
        .seen
        .account
        .as_ref()
        .map_or("", |account| &account.version.uid);
    let refresh_at = schedule::refresh_at(claims, received, uid, now);
    if refresh_at <= now {
        Verdict::Due
    } else if trusted {
        Verdict::Good(refresh_at)
    } else {
        Verdict::Review(refresh_at)
    }
}

/// When the agent received the token of a Secret, if that is known.
pub(crate) fn received(observed: &Observed<'_>, secret: &Secret) -> Option<Timestamp> {
    let written = secret
        .token
        .as_ref()
        .and_then(|token| observed.seen.memory.wrote(token));
    written.map(|written| written.received).or(secret.received)
}

/// The user name of an account's token on the managed cluster.
pub(crate) fn subject(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}
