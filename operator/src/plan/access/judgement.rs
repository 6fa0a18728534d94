//! Whether the hub has judged that the author of a grant may grant. A grant that was written while the
//! admission policy was not in force is held back until it is written again. The grant's status
//! remembers the judgement, because only the operator may write it and it survives a restart. Pure.
//!
//! ```text
//! created after the policy ──────────────────────────────────────────► judged
//! changed after a look under the same revision of the policy ────────► judged
//! anything else: nobody can tell when it was written ────────────────► held back
//! ```

use crds::gateway::Judgement;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    grant::Grant,
    guard::{Guard, Policy},
    names::ACCESS_POLICY,
    observed::Observed,
    plan::Plan,
};

/// The reason of a grant that is held back.
pub(super) const UNGUARDED: &str = "Unguarded";

/// True if the grant may be carried to clusters.
pub(super) fn is_judged(observed: &Observed, grant: &Grant) -> bool {
    let known = known(grant);
    let is_known = known.generation == grant.generation();
    let Guard::InForce { revision, since } = observed.guard(Policy::Grants) else {
        return is_known && known.judged;
    };
    let created = grant.object.metadata.creation_timestamp.as_ref();
    let is_younger = created.is_some_and(|it| it.0 >= *since);
    let before = if is_known {
        known.judged
    } else {
        known.policy == *revision
    };
    before || is_younger
}

/// The judgement for the grant's status.
pub(super) fn judge(observed: &Observed, grant: &Grant, plan: &mut Plan, now: Timestamp) -> Value {
    let mut policy = known(grant).policy;
    if let Guard::InForce { revision, since } = observed.guard(Policy::Grants) {
        // Until API servers have taken the policy in, a change may pass unjudged.
        if *since <= now {
            policy.clone_from(revision);
        } else {
            plan.wake_at(*since);
        }
    }
    json!(Judgement {
        generation: grant.generation(),
        judged: is_judged(observed, grant),
        policy,
    })
}

/// What to do about a grant that is held back.
pub(super) fn message(grant: &Grant) -> String {
    format!(
        "nobody has judged whether the author of the grant may grant, because it was written while the \
         ValidatingAdmissionPolicy {ACCESS_POLICY} was not in force; check the grant, and create it again: \
         kubectl get accessgrant {} -o yaml | kubectl replace --force -f -",
        grant.name()
    )
}

/// What the status remembers.
fn known(grant: &Grant) -> Judgement {
    let status = grant.object.status.as_ref();
    status
        .and_then(|it| it.judgement.clone())
        .unwrap_or_default()
}
