//! The gateway's account on a cluster.

use serde_json::json;

use super::site::{Capability, Site};
use crate::{
    kind::{Kind, ObjectKey},
    plan::{Desired, Plan},
};

pub(super) fn plan(site: &Site<'_>, plan: &mut Plan) {
    let account = &site.spec.credentials.managed_service_account;
    let kept = (site.tokens != Capability::Off).then_some(account.name.as_str());
    // One of an earlier configuration goes.
    for (key, _) in site
        .observed
        .within(Kind::ManagedServiceAccount, site.cluster)
    {
        if kept != Some(&key.name) {
            plan.unwanted(site.observed, key);
        }
    }
    if let Some(name) = kept {
        let key = ObjectKey::new(Kind::ManagedServiceAccount, site.cluster, name);
        let body = json!({"spec": {"rotation": {"enabled": true, "validity": account.validity}}});
        plan.want(site.observed, Desired::new(key, body));
    }
}
