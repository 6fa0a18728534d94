//! How the agent of a cluster is deployed: the `AddOnDeploymentConfig` that the hub chose for it. The
//! managed cluster may write the status of its add-on, so a reference in that status counts only if
//! an object that only the hub writes names the same config.

use crds::addon::{
    AddOnDeploymentConfigSpec, ConfigSpecHash, DEFAULT_NAMESPACE, DEPLOYMENT_CONFIGS, GROUP,
    ManagedClusterAddOnStatus,
};
use kube::core::DynamicObject;
use serde_json::Value;

use crate::{
    addon::Addon,
    digest,
    kind::{Kind, ObjectKey},
    names::TOKEN_NAMESPACE,
    object::part,
    observed::Observed,
    plan::row_key,
};

/// The longest name of a namespace.
const LONGEST_NAME: usize = 63;

/// The config, and the hash of its observed spec.
pub(super) fn of(
    observed: &Observed,
    row: &DynamicObject,
    status: &ManagedClusterAddOnStatus,
) -> Option<(ConfigSpecHash, AddOnDeploymentConfigSpec)> {
    let desired = status.desired_deployment_config()?.clone();
    let addon = ObjectKey::global(Kind::ClusterManagementAddOn, Addon::Gateway.name());
    let addon = observed.object(&addon);
    let mut chosen = of_row(row).chain(addon.into_iter().flat_map(of_addon));
    if !chosen.any(|config| names(config, &desired)) {
        return None;
    }
    let kind = Kind::AddOnDeploymentConfig;
    let key = ObjectKey::new(kind, &desired.namespace, &desired.name);
    let spec = part(observed.object(&key)?, "spec")?;
    Some((desired, spec))
}

/// The namespace of the agent on the cluster.
pub(super) fn install_namespace(observed: &Observed, cluster: &str) -> String {
    let config = observed
        .object(&row_key(cluster, Addon::Gateway))
        .and_then(|row| {
            let status = part(row, "status").unwrap_or_default();
            of(observed, row, &status)
        });
    let chosen = config.map(|(_, config)| config.agent_install_namespace);
    chosen
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned())
}

/// The namespace of the accounts on the cluster. A cluster of several hubs has an agent of each in a
/// namespace of its own, and these must not take each other's accounts for theirs.
pub(crate) fn token_namespace(observed: &Observed, cluster: &str) -> String {
    let own = install_namespace(observed, cluster);
    if own == DEFAULT_NAMESPACE {
        return TOKEN_NAMESPACE.to_owned();
    }
    let name = format!("{own}-tokens");
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let digits = digest::digits(own.as_bytes());
    let own: String = own.chars().take(LONGEST_NAME - digits.len() - 8).collect();
    format!("{own}-{digits}-tokens")
}

/// What the cluster's own `ManagedClusterAddOn` asks for.
fn of_row(row: &DynamicObject) -> impl Iterator<Item = &Value> {
    configs(&row.data["spec"]["configs"])
}

/// What the add-on has for all clusters, or for those of a placement, in either version of the API.
fn of_addon(addon: &DynamicObject) -> impl Iterator<Item = &Value> {
    let spec = &addon.data["spec"];
    let older = configs(&spec["supportedConfigs"]);
    let placements = spec["installStrategy"]["placements"].as_array();
    let placed = placements.into_iter().flatten();
    configs(&spec["defaultConfigs"])
        .chain(older)
        .chain(placed.flat_map(|placement| configs(&placement["configs"])))
}

fn configs(list: &Value) -> impl Iterator<Item = &Value> {
    let all = list.as_array().into_iter().flatten();
    all.filter(|it| it["group"] == GROUP && it["resource"] == DEPLOYMENT_CONFIGS)
}

fn names(config: &Value, desired: &ConfigSpecHash) -> bool {
    let is = |config: &Value| {
        config["name"] == desired.name.as_str()
            && config["namespace"].as_str().unwrap_or_default() == desired.namespace
    };
    is(config) || is(&config["defaultConfig"])
}
