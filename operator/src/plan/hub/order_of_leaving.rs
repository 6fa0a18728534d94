//! The admission policy by which nobody deletes what the operator needs while there is a
//! configuration. Whoever deletes everything at once deletes the policy too, so the operator holds it
//! as long as the configuration.

use crds::gateway::FINALIZER;

use crate::{
    kind::{Kind, ObjectKey},
    names::LEAVING_POLICY,
    object::deleting,
    observed::Observed,
    plan::{Hold, Plan},
};

/// Plans to hold the policy and its binding, or to release them.
pub(super) fn plan(observed: &Observed, hold: Hold, plan: &mut Plan) {
    // The binding first: a change of one whose policy is gone takes the right to read all kinds.
    for kind in [
        Kind::ValidatingAdmissionPolicyBinding,
        Kind::ValidatingAdmissionPolicy,
    ] {
        let key = ObjectKey::global(kind, LEAVING_POLICY);
        let Some(object) = observed.object(&key) else {
            continue;
        };
        // An API server adds no finalizer to an object that is being deleted.
        if hold == Hold::Release || deleting(object).is_none() {
            plan.hold(&key, object, FINALIZER, hold);
        }
    }
}
