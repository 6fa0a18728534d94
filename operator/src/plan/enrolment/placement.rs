//! Which clusters are enrolled: those that the configuration selects. A cluster that a placement
//! drops stays for a moment, because Open Cluster Management may only be moving it to another
//! decision. Many clusters at once stay until somebody confirms that they leave. All other reasons
//! count at once.

use jiff::{SignedDuration, Timestamp};

use super::{
    choice::{Choice, candidate, choice, is_enrolled, is_unselected},
    leaving,
    namespace::refusal,
};
use crate::observed::Observed;

/// How soon to look again whether a cluster still has to stay.
pub(super) const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// True if the hub has accepted the cluster, the configuration selects it, and its namespace is its
/// own.
pub(crate) fn is_selected(observed: &Observed, cluster: &str, now: Timestamp) -> bool {
    is_chosen(observed, cluster, now) && refusal(observed, cluster).is_none()
}

/// True if the hub has accepted the cluster and the configuration selects it.
pub(crate) fn is_chosen(observed: &Observed, cluster: &str, now: Timestamp) -> bool {
    match choice(observed, cluster, now) {
        Choice::Chosen => true,
        Choice::Dropped(_) => is_enrolled(observed, cluster),
        Choice::Unselected => is_enrolled(observed, cluster) && leaving::is_held(observed),
        Choice::Out(_) => false,
    }
}

/// When to look again whether an enrolled cluster still has to stay.
pub(crate) fn looks_again_at(
    observed: &Observed,
    cluster: &str,
    now: Timestamp,
) -> Option<Timestamp> {
    match choice(observed, cluster, now) {
        Choice::Dropped(until) => Some(until),
        // Whether it has to stay depends on others.
        Choice::Unselected if is_enrolled(observed, cluster) => Some(now + LOOK_AGAIN),
        _ => None,
    }
}

/// Why a cluster leaves.
pub(super) fn why_it_leaves(observed: &Observed, cluster: &str) -> String {
    match candidate(observed, cluster) {
        Err(out) => out.to_string(),
        Ok(_) if is_unselected(observed, cluster) => {
            "the GatewayConfiguration does not select the cluster".to_owned()
        }
        Ok(_) => "an add-on of the cluster was deleted or belongs to somebody else, or its namespace does".to_owned(),
    }
}
