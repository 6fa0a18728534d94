//! Plans for accounts that are being deleted, and for what deleted accounts left behind.

use jiff::Timestamp;

use super::{
    Action, Plan, RETIRED_FOR, Remains, earliest, is_foreign, retirement_of, status, unless_blocked,
};
use crate::tokens::{
    objects::Account,
    seen::{Observed, Step, after},
};

/// Deletes a labelled `ServiceAccount` without an account. The agent did not see the account's
/// deletion.
pub(super) fn of_orphan(observed: &Observed<'_>, now: Timestamp) -> Plan {
    let Some(found) = observed.own() else {
        return Plan::Wait(None);
    };
    if observed.name == retirement_of(observed.site.owner.as_ref()) {
        let until = after(found.created, RETIRED_FOR);
        if until > now {
            return Plan::Wait(Some(until));
        }
    }
    if !observed.site.accounts_listed || found.terminating {
        return Plan::Wait(None);
    }
    let uid = found.version.uid.clone();
    unless_blocked(
        Plan::Act(Action::DeleteServiceAccount { uid }),
        observed,
        now,
    )
}

/// The token is revoked first, then the Secret is deleted, then the account is released. An account
/// that is being deleted is never served again, whoever else holds it.
pub(super) fn of_account(
    observed: &Observed<'_>,
    account: &Account,
    deleting: Timestamp,
    now: Timestamp,
) -> Plan {
    let (site, seen) = (observed.site, observed.seen);
    let mut wait = None;
    let mut steps = Vec::new();
    let own = observed.own();
    if let Some(found) = own.filter(|found| !found.terminating) {
        let uid = found.version.uid.clone();
        steps.push(Action::DeleteServiceAccount { uid });
    }
    let ours = seen
        .secret
        .as_ref()
        .filter(|_| !is_foreign(seen.secret.as_ref()));
    if let Some(secret) = ours {
        let uid = secret.version.uid.clone();
        steps.push(Action::DeleteSecret { uid });
    }
    let is_dead = site.service_accounts_listed && own.is_none();
    // The hub's garbage collector deletes a Secret that the agent is not allowed to delete.
    let is_gone = site.secrets_listed
        && (ours.is_none() || seen.memory.failures.contains_key(&Step::DeleteSecret));
    let abandoned_at = after(deleting, site.hold);
    if account.is_held() && is_dead && is_gone {
        let token = Remains::Revoked;
        steps.push(Action::RemoveFinalizer { token });
    } else if account.is_held() && abandoned_at <= now {
        let token = Remains::Abandoned;
        steps.push(Action::RemoveFinalizer { token });
    } else if account.is_held() {
        wait = Some(abandoned_at);
    }
    for action in steps {
        match unless_blocked(Plan::Act(action), observed, now) {
            Plan::Wait(until) => wait = earliest(wait, until),
            act @ Plan::Act(_) => return act,
        }
    }
    let held = account.is_held() && !is_dead;
    let shown = held
        .then(|| status::held(observed, account, abandoned_at, now))
        .flatten();
    shown.unwrap_or(Plan::Wait(wait)).waiting(wait)
}
