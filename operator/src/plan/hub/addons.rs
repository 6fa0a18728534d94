//! The three add-ons, as the hub lists them. One that somebody else has stays theirs.

use crds::addon::{DEPLOYMENT_CONFIGS, GROUP, Version};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    object::is_ours,
    observed::Observed,
    plan::{Desired, Plan},
};

/// Name by which the newer version says that there is no default.
const NO_DEFAULT: &str = "__reserved_no_default__";

/// How soon to look again whether rows of an add-on that is gone are gone, too.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(1);

pub(super) fn plan(observed: &Observed, now: Timestamp, plan: &mut Plan) {
    for (addon, display, description) in [
        (
            Addon::Gateway,
            "Cluster Gateway",
            "Makes the managed cluster reachable from the hub's API server.",
        ),
        (
            Addon::Proxy,
            "Cluster Proxy",
            "Keeps the tunnel through which the hub reaches the managed cluster.",
        ),
        (
            Addon::Accounts,
            "Managed Service Account",
            "Issues tokens for ServiceAccounts of the managed cluster and stores them on the hub.",
        ),
    ] {
        let key = ObjectKey::global(Kind::ClusterManagementAddOn, addon.name());
        match observed.object(&key) {
            Some(object) if !is_ours(object) => continue,
            None if has_orphans(observed, addon) => {
                plan.wake_at(now + LOOK_AGAIN);
                continue;
            }
            _ => {}
        }
        let mut spec = json!({
            "addOnMeta": {"displayName": display, "description": description},
            // Rows are made by us, for clusters that the GatewayConfiguration selects.
            "installStrategy": {"type": "Manual"},
        });
        if addon == Addon::Gateway {
            let (field, kind) = configs(observed.installation.addons);
            spec[field] = json!([kind]);
        }
        plan.want(observed, Desired::new(key, json!({"spec": spec})));
    }
}

/// True while rows are there whose add-on somebody else has deleted. Open Cluster Management would give
/// them to one of ours by the same name, and they and their agents would stay.
fn has_orphans(observed: &Observed, addon: Addon) -> bool {
    let mut rows = observed.all(Kind::ManagedClusterAddOn);
    rows.any(|(key, row)| {
        let owners = row.metadata.owner_references.as_deref().unwrap_or_default();
        key.name == addon.name()
            && !is_ours(row)
            && owners
                .iter()
                .any(|owner| owner.kind == "ClusterManagementAddOn")
    })
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
pub(crate) fn foreign(observed: &Observed) -> Vec<Addon> {
    let foreign = |addon: &Addon| {
        let key = ObjectKey::global(Kind::ClusterManagementAddOn, addon.name());
        observed.object(&key).is_some_and(|object| !is_ours(object))
    };
    Addon::ALL.into_iter().filter(foreign).collect()
}
