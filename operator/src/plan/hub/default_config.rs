//! The default `AddOnDeploymentConfig` of the add-on, which an administrator of the hub may choose for all
//! clusters. Pure.

use crds::addon::{DEPLOYMENT_CONFIGS, GROUP};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::names::MANAGER;

/// The name that means "no default" in the newer version of the API.
pub(super) const NONE: &str = "__reserved_no_default__";
/// The fields that have the default, in either version.
const FIELDS: [&str; 2] = ["f:defaultConfigs", "f:supportedConfigs"];

/// The entry of this field that somebody else has chosen. The operator writes the same then: if it left
/// the entry out, server-side apply would remove it, although its name belongs to somebody else. In
/// the older version the default is a field beside those of the operator.
pub(super) fn chosen(addon: Option<&DynamicObject>, field: &str) -> Option<Value> {
    let addon = addon?;
    let mut configs = addon.data["spec"][field].as_array()?.iter();
    let own = configs.find(|it| it["group"] == GROUP && it["resource"] == DEPLOYMENT_CONFIGS)?;
    let name = own["name"].as_str().filter(|name| *name != NONE)?;
    is_of_others(addon).then(|| {
        json!({
            "group": GROUP, "resource": DEPLOYMENT_CONFIGS,
            "namespace": own["namespace"], "name": name,
        })
    })
}

/// Whether anybody else manages the entry. If that was not read, somebody does.
fn is_of_others(addon: &DynamicObject) -> bool {
    let Some(managers) = &addon.metadata.managed_fields else {
        return true;
    };
    let others = managers
        .iter()
        .filter(|it| it.manager.as_deref() != Some(MANAGER));
    let mut fields = others.filter_map(|it| it.fields_v1.as_ref());
    fields.any(|fields| {
        let entries = FIELDS.iter().map(|field| &fields.0["f:spec"][*field]);
        let mut names = entries
            .filter_map(Value::as_object)
            .flat_map(|it| it.keys());
        names.any(|name| name.contains(DEPLOYMENT_CONFIGS))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_is_kept_for_as_long_as_somebody_else_manages_it() {
        let entry = json!({"group": GROUP, "resource": DEPLOYMENT_CONFIGS, "name": "agents", "namespace": "fleet"});
        let key = format!("k:{{\"group\":\"{GROUP}\",\"resource\":\"{DEPLOYMENT_CONFIGS}\"}}");
        let addon = |managers: &[(&str, &str)]| -> DynamicObject {
            let managers = managers.iter().map(|(manager, field)| {
                let fields = json!({"f:spec": {(*field): {(key.as_str()): {"f:name": {}}}}});
                json!({"manager": manager, "operation": "Update", "fieldsV1": fields})
            });
            let managers: Vec<_> = managers.collect();
            serde_json::from_value(json!({
                "metadata": {"name": "cluster-gateway", "managedFields": managers},
                "spec": {"defaultConfigs": [entry]},
            }))
            .unwrap()
        };
        let own = (MANAGER, FIELDS[0]);
        for (managers, is_kept) in [
            (&[own, ("kubectl-edit", FIELDS[0])][..], true),
            (&[own, ("kubectl-patch", FIELDS[1])], true),
            (&[own], false),
            (&[own, ("addon-manager", "f:installStrategy")], false),
        ] {
            let chosen = chosen(Some(&addon(managers)), "defaultConfigs");
            assert_eq!(chosen, is_kept.then(|| entry.clone()), "{managers:?}");
        }
    }
}
