//! The gateway's account on a cluster.

use serde_json::json;

use super::selected_cluster::{Capability, SelectedCluster};
use crate::{
    kind::{Kind, ObjectKey},
    plan::{Desired, Plan},
};

pub(super) fn plan(cluster: &SelectedCluster<'_>, plan: &mut Plan) {
    let account = &cluster.spec.credentials.managed_service_account;
    let kept = (cluster.tokens != Capability::Off).then_some(account.name.as_str());
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
