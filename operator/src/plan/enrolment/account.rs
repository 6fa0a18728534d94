//! The gateway's account on a cluster.

use crds::authentication::FINALIZER;
use serde_json::json;

use super::selected_cluster::{Capability, SelectedCluster};
use crate::{
    kind::{Kind, ObjectKey},
    plan::{Desired, Hold, Plan},
};

pub(super) fn plan(cluster: &SelectedCluster<'_>, plan: &mut Plan) {
    let account = &cluster.spec.credentials.managed_service_account;
    let kept = match cluster.tokens {
        Capability::Ours | Capability::Foreign => Some(account.name.as_str()),
        Capability::Ending | Capability::Off => None,
    };
    // An account that an earlier configuration named is deleted.
    for (key, _) in cluster
        .observed
        .within(Kind::ManagedServiceAccount, cluster.name)
    {
        if kept != Some(&key.name) {
            plan.unwanted(cluster.observed, key);
        }
    }
    if let Some(name) = kept {
        let key = ObjectKey::new(Kind::ManagedServiceAccount, cluster.name, name);
        let body = json!({"spec": {"rotation": {"enabled": true, "validity": account.validity}}});
        plan.want(cluster.observed, Desired::new(key, body));
    }
}

/// Lets the accounts of others go, once the cluster runs an agent that does not handle tokens. Theirs
/// ended with the namespace of the tokens there, and nobody else would remove the agent's finalizer.
pub(super) fn let_go(cluster: &SelectedCluster<'_>, plan: &mut Plan) {
    if cluster.tokens != Capability::Off || cluster.has_foreign_accounts() {
        return;
    }
    let kind = Kind::ManagedServiceAccount;
    for (key, object) in cluster.observed.within(kind, cluster.name) {
        plan.hold(key, object, FINALIZER, Hold::Release);
    }
}
