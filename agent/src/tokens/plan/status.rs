//! Plans the status of an account. It is written only if it differs.

use crds::authentication::{
    FINALIZER, ManagedServiceAccountStatus, SECRET_CREATED, TOKEN_REPORTED, TokenSecretRef,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{Action, Plan, is_foreign, unless_blocked};
use crate::tokens::{
    judge::{Verdict, judge, received},
    objects::{Account, ServiceAccount},
    seen::{Failure, Observed, Step},
};

/// The reason if the Secret belongs to somebody else.
pub(crate) const SECRET_CONFLICT: &str = "SecretConflict";
/// The reason if the `ServiceAccount` belongs to somebody else.
pub(crate) const SERVICE_ACCOUNT_CONFLICT: &str = "ServiceAccountConflict";
/// The steps on the way to a token. The first one that failed is reported.
const ON_THE_WAY: [Step; 6] = [
    Step::AddFinalizer,
    Step::CreateServiceAccount,
    Step::DeleteServiceAccount,
    Step::RequestToken,
    Step::WriteSecret,
    Step::ReviewToken,
];

type Verdicts = (Said, Said);

/// A condition's status, reason and message.
struct Said(bool, &'static str, String);

/// Writes the status of an account that is served, if it differs.
pub(super) fn write(observed: &Observed<'_>, account: &Account, now: Timestamp) -> Option<Plan> {
    let said = served(observed, account, now)?;
    put(observed, account, said, now)
}

/// Writes that the deletion waits for the token's revocation, and how to force it.
pub(super) fn held(
    observed: &Observed<'_>,
    account: &Account,
    until: Timestamp,
    now: Timestamp,
) -> Option<Plan> {
    let (site, name) = (observed.site, observed.name);
    let failed = observed
        .seen
        .memory
        .failures
        .get(&Step::DeleteServiceAccount);
    let why = failed
        .map(|failure| &failure.message)
        .or(site.spoke_fault.as_ref())?;
    let message = format!(
        "the token still works on the managed cluster ({why}); the finalizer {FINALIZER} keeps the \
         account until {until:.0}. To delete it earlier, run: kubectl -n {} patch managedserviceaccount {name} --type=merge \
         -p '{{\"metadata\":{{\"finalizers\":null}}}}'",
        site.cluster
    );
    let secret = Said(observed.seen.secret.is_some(), "Deleting", String::new());
    put(
        observed,
        account,
        (secret, Said(false, "RevocationPending", message)),
        now,
    )
}

/// `None` if it is too early to decide.
fn served(observed: &Observed<'_>, account: &Account, now: Timestamp) -> Option<Verdicts> {
    let seen = observed.seen;
    let there = seen.secret.is_some() && !is_foreign(seen.secret.as_ref());
    let failure = ON_THE_WAY
        .iter()
        .find_map(|step| seen.memory.failures.get(step));
    let secret = if there {
        Said(true, SECRET_CREATED, "the Secret exists".to_owned())
    } else if seen.secret.is_some() {
        Said(false, SECRET_CONFLICT, foreign(observed))
    } else {
        match seen.memory.failures.get(&Step::WriteSecret) {
            Some(failure) => Said(false, failure.reason, failure.message.clone()),
            None => Said(
                false,
                "SecretMissing",
                "the Secret does not exist yet".to_owned(),
            ),
        }
    };
    let spec = match &account.spec {
        Ok(spec) => spec,
        Err(fault) => return Some((secret, Said(false, fault.reason, fault.message.clone()))),
    };
    if seen.secret.is_some() && !there {
        return Some((secret, Said(false, SECRET_CONFLICT, foreign(observed))));
    }
    if let Some(found) = observed.foreign() {
        let message = of_another(observed, found);
        return Some((secret, Said(false, SERVICE_ACCOUNT_CONFLICT, message)));
    }
    if let (true, Some(found), Some(kept)) = (there, &seen.service_account, &seen.secret) {
        match judge(observed, spec, found, kept, now) {
            Verdict::Good(_) | Verdict::Due => {
                let good = Said(
                    true,
                    TOKEN_REPORTED,
                    "the token is in the Secret".to_owned(),
                );
                return Some((secret, good));
            }
            // The result is known soon, so the current status stays until then.
            Verdict::Review(_) | Verdict::Bad(_) if failure.is_none() => return None,
            Verdict::Review(_) | Verdict::Bad(_) => {}
        }
    }
    Some((secret, missing(observed, failure, now)?))
}

/// Why there is no good token. `None` if it is too early to decide.
fn missing(observed: &Observed<'_>, failure: Option<&Failure>, now: Timestamp) -> Option<Said> {
    let (site, seen) = (observed.site, observed.seen);
    Some(if let Some(failure) = failure {
        Said(false, failure.reason, failure.message.clone())
    } else if seen
        .service_account
        .as_ref()
        .is_some_and(|found| found.terminating)
    {
        let message = format!(
            "its ServiceAccount in namespace {} is being deleted",
            site.namespace
        );
        Said(false, "ServiceAccountTerminating", message)
    } else if site.retired_until.is_some_and(|until| until > now) {
        Said(
            false,
            "Retired",
            "the agent is being uninstalled".to_owned(),
        )
    } else {
        // A token that was good may still be good.
        let silent = seen.secret.is_some() || site.service_accounts_listed;
        let fault = site.spoke_fault.as_ref().filter(|_| !silent)?;
        Said(
            false,
            "TokenReportFailed",
            format!("cannot watch the managed cluster: {fault}"),
        )
    })
}

fn of_another(observed: &Observed<'_>, found: &ServiceAccount) -> String {
    let (namespace, name) = (&observed.site.namespace, observed.name);
    let owner = found.mark.owner.as_ref().map_or_else(
        || "an account that this hub does not have".to_owned(),
        |owner| format!("{owner} (hub/cluster)"),
    );
    format!(
        "ServiceAccount {namespace}/{name} of the managed cluster belongs to {owner} and is not used; if the cluster \
         has several hubs, set another agentInstallNamespace on one of them; otherwise delete the ServiceAccount"
    )
}

fn foreign(observed: &Observed<'_>) -> String {
    format!(
        "Secret {} is not owned by this account and is not changed; delete it, or choose another name",
        observed.name
    )
}

fn put(
    observed: &Observed<'_>,
    account: &Account,
    (secret, token): Verdicts,
    now: Timestamp,
) -> Option<Plan> {
    let current = &account.status;
    let condition = |kind: &str, Said(status, reason, message): Said| {
        let status = if status { "True" } else { "False" };
        let before = current
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind);
        let since = before.filter(|before| before.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            observed_generation: account.generation,
            last_transition_time: since.map_or_else(
                || seconds(now),
                |before| before.last_transition_time.clone(),
            ),
        }
    };
    let kept = observed
        .seen
        .secret
        .as_ref()
        .filter(|secret| !secret.owners.is_empty());
    let known = kept.and_then(|kept| {
        let claims = kept.claims.as_ref()?;
        Some((
            received(observed, kept).unwrap_or(claims.issued),
            claims.expires,
        ))
    });
    let wanted = ManagedServiceAccountStatus {
        conditions: vec![
            condition(SECRET_CREATED, secret),
            condition(TOKEN_REPORTED, token),
        ],
        expiration_timestamp: known.map(|(_, expires)| seconds(expires)),
        observed_generation: account.generation,
        token_secret_ref: known.map(|(received, _)| TokenSecretRef {
            name: observed.name.to_owned(),
            last_refresh_timestamp: seconds(received),
        }),
    };
    let is_there = agrees(current, &wanted);
    // If the hub's CRD lacks a field, the hub drops it. Writing it again would not help.
    let was_tried = observed
        .seen
        .memory
        .status
        .as_ref()
        .is_some_and(|(asked, got)| *asked == wanted && got == current);
    let write = Plan::Act(Action::WriteStatus(Box::new(wanted)));
    (!is_there && !was_tried).then(|| unless_blocked(write, observed, now))
}

/// True if the status has all that the agent would write. Others may add to it.
fn agrees(current: &ManagedServiceAccountStatus, wanted: &ManagedServiceAccountStatus) -> bool {
    let ManagedServiceAccountStatus {
        conditions,
        expiration_timestamp,
        observed_generation,
        token_secret_ref,
    } = wanted;
    conditions
        .iter()
        .all(|condition| current.conditions.contains(condition))
        && *expiration_timestamp == current.expiration_timestamp
        && *observed_generation == current.observed_generation
        && *token_secret_ref == current.token_secret_ref
}

fn seconds(moment: Timestamp) -> Time {
    Time(Timestamp::from_second(moment.as_second()).unwrap_or(moment))
}
