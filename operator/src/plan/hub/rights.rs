//! The right of agents to attach at the gateway. Rights in a cluster's namespace are bound there,
//! separately for each cluster. The roles are shipped with the operator, which may not change them.

use serde_json::json;

use crate::{
    kind::{Kind, ObjectKey, RBAC},
    names::TUNNEL_ROLE,
    observed::Observed,
    plan::{Desired, Plan, enrolment::own_group_of_all},
};

pub(super) fn plan(observed: &Observed, plan: &mut Plan) {
    // One binding is enough, because the gateway reads from an agent's name which cluster it
    // attaches.
    let body = json!({
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": TUNNEL_ROLE},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": own_group_of_all()}],
    });
    plan.want(observed, Desired::new(binding(), body));
}

pub(super) fn binding() -> ObjectKey {
    ObjectKey::global(Kind::ClusterRoleBinding, TUNNEL_ROLE)
}
