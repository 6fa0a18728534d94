//! The three add-ons, as the hub lists them. An add-on of somebody else is left alone.

use crds::addon::{DEPLOYMENT_CONFIGS, GROUP, Version};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::default_config;
use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    object::is_ours,
    observed::Observed,
    plan::{Desired, Plan},
};

/// How soon to look again whether the `ManagedClusterAddOn`s of a deleted add-on are gone.
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
            // The operator creates the `ManagedClusterAddOn`s, for clusters that the
            // GatewayConfiguration selects.
            "installStrategy": {"type": "Manual"},
        });
        if addon == Addon::Gateway {
            let (field, kind) = configs(observed.installation.addons);
            let chosen = default_config::chosen(observed.object(&key), field);
            spec[field] = json!([chosen.unwrap_or(kind)]);
        }
        plan.want(observed, Desired::new(key, json!({"spec": spec})));
    }
}

/// True if there are `ManagedClusterAddOn`s whose add-on somebody else has deleted. If the operator
/// created its own add-on of that name now, Open Cluster Management would assign them to it, and
/// they and their agents would stay.
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

/// The field in which each version declares how the agent can be configured. There is no default
/// configuration unless the administrator chooses one.
fn configs(version: Version) -> (&'static str, Value) {
    let mut kind = json!({"group": GROUP, "resource": DEPLOYMENT_CONFIGS});
    match version {
        Version::V1alpha1 => ("supportedConfigs", kind),
        Version::V1beta1 => {
            kind["name"] = default_config::NONE.into();
            ("defaultConfigs", kind)
        }
    }
}

/// The operator's add-ons that belong to somebody else.
pub(crate) fn foreign(observed: &Observed) -> Vec<Addon> {
    let foreign = |addon: &Addon| {
        let key = ObjectKey::global(Kind::ClusterManagementAddOn, addon.name());
        observed.object(&key).is_some_and(|object| !is_ours(object))
    };
    Addon::ALL.into_iter().filter(foreign).collect()
}
