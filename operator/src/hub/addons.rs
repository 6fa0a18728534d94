//! The three add-ons, as the hub lists them. One that somebody else has stays theirs.

use crds::addon::{DEPLOYMENT_CONFIGS, GROUP, Version};
use serde_json::{Value, json};

use crate::{
    kind::{Kind, ObjectKey},
    names::{ACCOUNTS, GATEWAY, PROXY},
    observed::Observed,
    plan::{Desired, Plan, is_ours},
};

/// Name by which the newer version says that there is no default.
const NO_DEFAULT: &str = "__reserved_no_default__";

pub(super) fn plan(observed: &Observed, plan: &mut Plan) {
    for (addon, display, description) in [
        (
            GATEWAY,
            "Cluster Gateway",
            "Makes the managed cluster reachable from the hub's API server.",
        ),
        (
            PROXY,
            "Cluster Proxy",
            "Keeps the tunnel by which the hub reaches the managed cluster.",
        ),
        (
            ACCOUNTS,
            "Managed Service Account",
            "Issues tokens of the managed cluster's accounts to the hub.",
        ),
    ] {
        let key = ObjectKey::global(Kind::ClusterManagementAddOn, addon);
        if observed.object(&key).is_some_and(|object| !is_ours(object)) {
            continue;
        }
        let mut spec = json!({
            "addOnMeta": {"displayName": display, "description": description},
            // Rows are made by us, for clusters that the GatewayConfiguration selects.
            "installStrategy": {"type": "Manual"},
        });
        if addon == GATEWAY {
            let (field, kind) = configs(observed.site.addons);
            spec[field] = json!([kind]);
        }
        plan.want(observed, Desired::new(key, json!({"spec": spec})));
    }
}

/// How a version says that the agent can be configured, by nothing unless a cluster's row says so.
fn configs(version: Version) -> (&'static str, Value) {
    let mut kind = json!({"group": GROUP, "resource": DEPLOYMENT_CONFIGS});
    match version {
        Version::V1alpha1 => ("supportedConfigs", kind),
        Version::V1beta1 => {
            kind["name"] = NO_DEFAULT.into();
            ("defaultConfigs", kind)
        }
    }
}

/// Add-ons of ours that somebody else has.
pub(crate) fn foreign(observed: &Observed) -> Vec<&'static str> {
    let foreign = |addon: &&str| {
        let key = ObjectKey::global(Kind::ClusterManagementAddOn, addon);
        observed.object(&key).is_some_and(|object| !is_ours(object))
    };
    [GATEWAY, PROXY, ACCOUNTS]
        .into_iter()
        .filter(foreign)
        .collect()
}
