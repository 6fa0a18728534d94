//! Decides what to do next for one account. Pure: from what was observed and the time it derives
//! one call, or the time to look again. The caller makes the call, adds the outcome to what was
//! observed, and asks again until there is nothing to do.

mod removal;
mod status;
#[cfg(test)]
mod tests;

use crds::authentication::{FINALIZER, ManagedServiceAccountStatus};
use jiff::{SignedDuration, Timestamp};

pub(super) use self::status::{SECRET_CONFLICT, SERVICE_ACCOUNT_CONFLICT};
use super::{
    judge::{TOLERATED, Verdict, judge, received},
    objects::{Account, Request, Secret, ServiceAccount, Spec},
    ownership::Owner,
    seen::{Minted, Observed, Step, after},
    token::Token,
};

/// How the name of the `ServiceAccount` begins by which an uninstall tells running agents to issue no
/// tokens. An account of such a name is not served.
const RETIRED: &str = "spokeway-tokens-retired";
/// How long it is obeyed: longer than an uninstall takes, but not so long that a forgotten one does
/// harm.
pub(crate) const RETIRED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// The name of that `ServiceAccount`, which is another one for each hub.
pub(crate) fn retirement_of(owner: Option<&Owner>) -> String {
    owner.map_or_else(
        || RETIRED.to_owned(),
        |owner| format!("{RETIRED}.{}", owner.as_name()),
    )
}

/// True if an account of this name is not served.
fn is_reserved(name: &str) -> bool {
    name.starts_with(RETIRED)
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plan {
    /// Make this call.
    Act(Action),
    /// Do nothing before this time, unless something changes.
    Wait(Option<Timestamp>),
}

/// One call to the hub or to the managed cluster.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    AddFinalizer,
    CreateServiceAccount,
    RequestToken(Request),
    WriteSecret(Content),
    ReviewToken {
        token: Token,
        audiences: Vec<String>,
    },
    WriteStatus(Box<ManagedServiceAccountStatus>),
    DeleteAccount,
    DeleteServiceAccount {
        uid: String,
    },
    DeleteSecret {
        uid: String,
    },
    RemoveFinalizer {
        token: Remains,
    },
}

/// What the Secret should contain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    pub(crate) token: Minted,
    /// The Secret and the state that the write replaces. `None` if the Secret must not exist.
    pub(crate) replaces: Option<super::objects::Version>,
}

/// What is left of an account's token when its finalizer is removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Remains {
    /// No token works any more.
    Revoked,
    /// A token may work until the managed cluster answers again. The agent has waited long enough.
    Abandoned,
}

/// Plans the next step for the account.
pub(crate) fn plan(observed: &Observed<'_>, now: Timestamp) -> Plan {
    let memory = &observed.seen.memory;
    let Some(account) = observed.seen.account.as_deref() else {
        return removal::of_orphan(observed, now);
    };
    if let Some(deleting) = account.deleting {
        return removal::of_account(observed, account, deleting, now);
    }
    let ends = account.ends();
    if ends.is_some_and(|ends| ends <= now) {
        return match memory.blocked(Step::DeleteAccount, now) {
            Some(retry_at) => Plan::Wait(Some(retry_at)),
            None => Plan::Act(Action::DeleteAccount),
        };
    }
    match unless_blocked(next(observed, account, now), observed, now) {
        Plan::Wait(until) => {
            let until = earliest(until, ends);
            status::write(observed, account, now)
                .unwrap_or(Plan::Wait(until))
                .waiting(until)
        }
        act @ Plan::Act(_) => act,
    }
}

impl Account {
    /// When the account expires and is deleted.
    fn ends(&self) -> Option<Timestamp> {
        let ttl = self.ttl?;
        Some(after(self.created, SignedDuration::from_secs(ttl.into())))
    }

    /// True if it has the agent's finalizer.
    pub(crate) fn is_held(&self) -> bool {
        self.finalizers
            .iter()
            .any(|finalizer| finalizer == FINALIZER)
    }
}

impl Plan {
    /// The same plan, but it waits no longer than `until`.
    fn waiting(self, until: Option<Timestamp>) -> Self {
        match self {
            Self::Wait(own) => Self::Wait(earliest(own, until)),
            Self::Act(_) => self,
        }
    }
}

impl Action {
    /// The step that this call belongs to.
    pub(crate) fn step(&self) -> Step {
        match self {
            Self::AddFinalizer => Step::AddFinalizer,
            Self::CreateServiceAccount => Step::CreateServiceAccount,
            Self::RequestToken(_) => Step::RequestToken,
            Self::WriteSecret(_) => Step::WriteSecret,
            Self::ReviewToken { .. } => Step::ReviewToken,
            Self::WriteStatus(_) => Step::WriteStatus,
            Self::DeleteAccount => Step::DeleteAccount,
            Self::DeleteServiceAccount { .. } => Step::DeleteServiceAccount,
            Self::DeleteSecret { .. } => Step::DeleteSecret,
            Self::RemoveFinalizer { .. } => Step::RemoveFinalizer,
        }
    }
}

/// The next call on the way to a good token, as if no call had failed before.
fn next(observed: &Observed<'_>, account: &Account, now: Timestamp) -> Plan {
    let (site, seen) = (observed.site, observed.seen);
    let Ok(spec) = &account.spec else {
        return Plan::Wait(None);
    };
    if site.retired_until.is_some_and(|until| until > now) || is_reserved(observed.name) {
        return Plan::Wait(site.retired_until);
    }
    if !site.secrets_listed || !site.service_accounts_listed || is_foreign(seen.secret.as_ref()) {
        return Plan::Wait(None);
    }
    // Whoever owns it would take it back. If it goes, that is an event.
    if observed.foreign().is_some() {
        return Plan::Wait(None);
    }
    // The finalizer comes first, so that a deletion waits for every token that is ever issued.
    if !account.is_held() {
        return Plan::Act(Action::AddFinalizer);
    }
    match &seen.service_account {
        None => Plan::Act(Action::CreateServiceAccount),
        Some(found) if found.terminating => Plan::Wait(None),
        // It was created for an earlier account of this name, whose tokens must be revoked.
        Some(found)
            if found
                .mark
                .account_uid
                .as_ref()
                .is_some_and(|uid| *uid != account.version.uid) =>
        {
            let uid = found.version.uid.clone();
            Plan::Act(Action::DeleteServiceAccount { uid })
        }
        Some(found) => with_service_account(observed, account, spec, found, now),
    }
}

fn with_service_account(
    observed: &Observed<'_>,
    account: &Account,
    spec: &Spec,
    found: &ServiceAccount,
    now: Timestamp,
) -> Plan {
    let (site, seen) = (observed.site, observed.seen);
    let request = Request {
        seconds: Some(spec.validity.seconds()),
        audiences: spec.audiences.clone(),
    };
    if let Some(minted) = &seen.memory.minted {
        let usable = minted.request == request && minted.claims.account_uid == found.version.uid;
        let half = SignedDuration::from_secs(minted.claims.lifetime() / 2);
        if usable && now < after(minted.received, half) {
            let replaces = seen.secret.as_ref().map(|secret| secret.version.clone());
            let token = minted.clone();
            return Plan::Act(Action::WriteSecret(Content { token, replaces }));
        }
    }
    let Some(secret) = &seen.secret else {
        return Plan::Act(Action::RequestToken(request));
    };
    match judge(observed, spec, found, secret, now) {
        Verdict::Due => Plan::Act(Action::RequestToken(request)),
        Verdict::Bad(from) if from <= now => Plan::Act(Action::RequestToken(request)),
        Verdict::Bad(from) => Plan::Wait(Some(from)),
        Verdict::Review(refresh_at) => {
            let token = secret
                .token
                .clone()
                .expect("judge reviews no Secret without a token");
            let audiences = spec.audiences.clone();
            let action = Action::ReviewToken { token, audiences };
            unless_blocked(Plan::Act(action), observed, now).waiting(Some(refresh_at))
        }
        Verdict::Good(refresh_at) => {
            let ours = seen
                .memory
                .authority
                .as_ref()
                .is_some_and(|own| **own == *secret.authority);
            let wrong = secret.authority != *site.authority;
            let unowned = !secret.owners.contains(&account.version.uid);
            let from = if ours || unowned {
                now
            } else {
                after(secret.since, TOLERATED)
            };
            match (wrong || unowned, from <= now) {
                (false, _) => Plan::Wait(Some(refresh_at)),
                (true, false) => Plan::Wait(Some(from.min(refresh_at))),
                (true, true) => rewrite(observed, secret),
            }
        }
    }
}

/// Writes everything again except the token.
fn rewrite(observed: &Observed<'_>, secret: &Secret) -> Plan {
    let (Some(token), Some(claims)) = (&secret.token, &secret.claims) else {
        return Plan::Wait(None);
    };
    let written = observed.seen.memory.wrote(token);
    let token = written.cloned().unwrap_or_else(|| Minted {
        token: token.clone(),
        claims: claims.clone(),
        request: secret.request.clone(),
        received: received(observed, secret).unwrap_or(claims.issued),
    });
    let replaces = Some(secret.version.clone());
    Plan::Act(Action::WriteSecret(Content { token, replaces }))
}

/// A labelled Secret that no account of its name owns belongs to somebody else.
fn is_foreign(secret: Option<&Secret>) -> bool {
    secret.is_some_and(|secret| secret.owners.is_empty())
}

fn unless_blocked(plan: Plan, observed: &Observed<'_>, now: Timestamp) -> Plan {
    let Plan::Act(action) = &plan else {
        return plan;
    };
    match observed.seen.memory.blocked(action.step(), now) {
        Some(retry_at) => Plan::Wait(Some(retry_at)),
        None => plan,
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}
