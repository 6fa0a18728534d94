//! The work that deploys the agent on its cluster, and what the add-ons report about it.

use crds::{
    addon::{
        ADDON_LABEL, CLEANUP_PRIORITY, CONFIG_HASHES, ConfigSpecHash, DEPLOYMENT_CONFIGS, GROUP,
        MANIFEST_APPLIED, REGISTRATION_APPLIED,
    },
    work::ManifestWorkStatus,
};
use kube::core::DynamicObject;
use serde_json::{Map, Value, json};

use super::{agent, selected_cluster::SelectedCluster};
use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    manifest::Manifest,
    names::{GATEWAY, WORK},
    object::part,
    plan::{Action, Desired, Finding, Part, Plan, Seen, row_key},
};

/// The work is deleted after the add-ons, which wait for it.
const DELETED_LATE: &str = "90";

/// Plans the work, and returns its finding. `None` until the cluster has reported on the work.
pub(super) fn plan(cluster: &SelectedCluster<'_>, plan: &mut Plan) -> Option<Finding> {
    let (row, status) = cluster.row()?;
    // Without its rights, the agent's first requests would be refused.
    if !status.is(REGISTRATION_APPLIED) {
        return None;
    }
    let key = ObjectKey::new(Kind::ManifestWork, cluster.name, WORK);
    let manifests = agent::manifests(cluster).into_iter().map(Manifest::from);
    let work = Desired::work(key.clone(), body(cluster, row), manifests.collect());
    plan.want(cluster.observed, work);
    let work = cluster.observed.object(&key)?;
    let generation = work.metadata.generation.unwrap_or_default();
    let work_status = part::<ManifestWorkStatus>(work, "status").unwrap_or_default();
    let applied = work_status.applied(generation)?;
    let holds = applied.status == "True";
    if holds {
        carried_out(cluster, row, work, plan);
    }
    let reason = if holds {
        "AddonManifestApplied"
    } else {
        "AddonManifestAppliedFailed"
    };
    Some(Finding {
        kind: MANIFEST_APPLIED,
        holds,
        reason,
        message: applied.message.clone(),
    })
}

fn body(cluster: &SelectedCluster<'_>, row: &DynamicObject) -> Value {
    let resource = Kind::ManagedClusterAddOn.resource(cluster.observed.installation.addons);
    let mut annotations = json!({CLEANUP_PRIORITY: DELETED_LATE});
    if let Some((config, _)) = cluster.deployment_config() {
        annotations[CONFIG_HASHES] = hashes(&config).into();
    }
    let namespace = cluster.install_namespace();
    json!({
        "metadata": {
            "labels": {ADDON_LABEL: GATEWAY},
            "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": resource.api_version, "kind": resource.kind, "name": GATEWAY,
                "uid": row.metadata.uid, "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            // The agents of other add-ons may use the same namespaces.
            "deleteOption": {
                "propagationPolicy": "SelectivelyOrphan",
                "selectivelyOrphans": {"orphaningRules": [
                    {"group": "", "resource": "namespaces", "namespace": "", "name": namespace},
                ]},
            },
        },
    })
}

/// The name and hash of a deployment config, in the format of the add-on framework.
fn hashes(config: &ConfigSpecHash) -> String {
    let ConfigSpecHash {
        namespace,
        name,
        spec_hash,
    } = config;
    let resource = format!("{DEPLOYMENT_CONFIGS}.{GROUP}/{namespace}/{name}");
    let hashes = Map::from_iter([(resource, Value::from(spec_hash.as_str()))]);
    Value::from(hashes).to_string()
}

/// Reports that the deployment config is applied, once a work that contains it is.
fn carried_out(
    cluster: &SelectedCluster<'_>,
    row: &DynamicObject,
    work: &DynamicObject,
    plan: &mut Plan,
) {
    let Some((config, _)) = cluster.deployment_config() else {
        return;
    };
    let annotations = work.metadata.annotations.as_ref();
    if annotations.and_then(|all| all.get(CONFIG_HASHES)) != Some(&hashes(&config)) {
        return;
    }
    let mut references = row.data["status"]["configReferences"].clone();
    let mut changed = false;
    for reference in references.as_array_mut().into_iter().flatten() {
        let is_own = reference["group"] == GROUP && reference["resource"] == DEPLOYMENT_CONFIGS;
        if is_own && reference["lastAppliedConfig"] != reference["desiredConfig"] {
            reference["lastAppliedConfig"] = reference["desiredConfig"].clone();
            changed = true;
        }
    }
    if changed {
        plan.actions.push(Action::Patch {
            object: Seen::of(&row_key(cluster.name, Addon::Gateway), row),
            part: Part::Status,
            patch: json!({"status": {"configReferences": references}}),
        });
    }
}
