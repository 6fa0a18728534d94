//! Whether clusters stay only because nobody has confirmed that they leave. Pure.

use crds::gateway::{CONFIRM_REMOVAL, SINGLETON};

use crate::{
    names::GATEWAY,
    observed::Observed,
    plan::{Finding, enrolment::Leaving},
};

/// How many of the clusters that stay are named.
const NAMED: usize = 5;

/// The condition.
pub(super) fn removals(observed: &Observed, leaving: &Leaving) -> Finding {
    let finding = |holds, reason, message| Finding {
        kind: "RemovalsConfirmed",
        holds,
        reason,
        message,
    };
    match leaving.confirmation(observed) {
        None => finding(true, "AsAsked", String::new()),
        Some(value) => finding(false, "ConfirmationNeeded", message(leaving, &value)),
    }
}

/// Which clusters stay, and what lets them leave.
fn message(leaving: &Leaving, confirmation: &str) -> String {
    let Leaving {
        clusters, enrolled, ..
    } = leaving;
    let count = clusters.len();
    let mut names = clusters[..count.min(NAMED)].join(", ");
    if count > NAMED {
        names = format!("{names} and {} more", count - NAMED);
    }
    format!(
        "{count} of {enrolled} enrolled clusters would be removed, because they are no longer selected or the add-on \
         {GATEWAY} no longer belongs to the operator: {names}; they stay until you correct that or confirm their \
         removal: kubectl annotate --overwrite gatewayconfiguration {SINGLETON} {CONFIRM_REMOVAL}={confirmation}"
    )
}
