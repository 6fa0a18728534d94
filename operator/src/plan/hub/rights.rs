//! The rights of agents on the hub, as `config/agent` ships them. Rights in a cluster's namespace
//! are bound there, separately for each cluster.

use serde_json::{Value, json};

use crate::{
    kind::{Kind, ObjectKey, RBAC},
    names::TUNNEL_ROLE,
    observed::Observed,
    plan::{Desired, Plan, enrolment::own_group_of_all},
};

const ROLES: &str = include_str!("../../../../config/agent/rbac-hub.yaml");

pub(super) fn plan(observed: &Observed, plan: &mut Plan) {
    for role in roles() {
        plan.want(observed, role);
    }
    // One binding is enough, because the gateway reads from an agent's name which cluster it
    // attaches.
    let body = json!({
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": TUNNEL_ROLE},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": own_group_of_all()}],
    });
    plan.want(observed, Desired::new(binding(), body));
}

/// The shipped roles.
pub(super) fn roles() -> impl Iterator<Item = Desired> {
    let shipped: Vec<Value> = serde_saphyr::from_multiple(ROLES).expect("a file of ours");
    shipped.into_iter().map(|role| {
        let name = role["metadata"]["name"].as_str().unwrap_or_default();
        let key = ObjectKey::global(Kind::ClusterRole, name);
        Desired::new(key, json!({"rules": role["rules"]}))
    })
}

pub(super) fn binding() -> ObjectKey {
    ObjectKey::global(Kind::ClusterRoleBinding, TUNNEL_ROLE)
}
