//! The three `ManagedClusterAddOn`s of a cluster, or those of them that are the operator's, and the
//! status of the two that have no registration.

use crds::addon::{
    CLEANUP_PRIORITY, DEPLOYMENT_CONFIGS, GROUP, ManagedClusterAddOnStatus, PRE_DELETE,
    REGISTRATION_APPLIED,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    proxy,
    registration::{Registered, tunnel_subject},
    selected_cluster::SelectedCluster,
};
use crate::{
    addon::Addon,
    names::TUNNEL_SIGNER,
    object::part,
    plan::{Desired, Finding, Plan, row_key},
};

/// When a cluster is detached, add-ons that may need the gateway are deleted before it.
const DELETED_LATE: &str = "90";

/// Plans the three add-ons.
pub(super) fn plan(cluster: &SelectedCluster<'_>, plan: &mut Plan) {
    let observed = cluster.observed;
    for addon in Addon::ALL {
        let key = row_key(cluster.name, addon);
        if cluster.has_row(addon) {
            let body = if addon == Addon::Gateway {
                carrier()
            } else {
                json!({"spec": {}})
            };
            plan.want(observed, Desired::new(key, body));
        } else {
            plan.unwanted(observed, &key);
        }
    }
}

/// Plans the status of the add-ons from the progress of their agent.
pub(super) fn say(
    cluster: &SelectedCluster<'_>,
    registered: &Registered,
    deployed: Option<&Finding>,
    now: Timestamp,
    plan: &mut Plan,
) {
    for addon in Addon::ALL
        .into_iter()
        .filter(|addon| cluster.has_row(*addon))
    {
        let key = row_key(cluster.name, addon);
        let Some(object) = cluster.observed.object(&key) else {
            continue;
        };
        let status = part::<ManagedClusterAddOnStatus>(object, "status").unwrap_or_default();
        let before = &status.conditions;
        let registration = if addon == Addon::Gateway {
            registered.finding.clone()
        } else {
            shared_registration()
        };
        let mut conditions = vec![registration.condition(before, now)];
        // Only one add-on reports that it has a work, because Open Cluster Management looks for a
        // work of each add-on that does.
        if let Some(deployed) = deployed.filter(|_| addon == Addon::Gateway) {
            conditions.push(deployed.condition(before, now));
        }
        if let Some(proxy) = proxy::judge(cluster, &status).filter(|_| addon == Addon::Gateway) {
            conditions.push(proxy.condition(before, now));
        }
        let mut status_of_row = json!({
            "namespace": cluster.namespace_of(addon),
            "healthCheck": {"mode": "Lease"},
            "conditions": conditions,
        });
        if addon == Addon::Gateway {
            status_of_row["registrations"] = registrations(cluster, registered).into();
            status_of_row["supportedConfigs"] =
                json!([{"group": GROUP, "resource": DEPLOYMENT_CONFIGS}]);
        }
        plan.want_status(
            cluster.observed,
            Desired::new(key, json!({"status": status_of_row})),
        );
    }
}

/// The finding for the two add-ons that have no registration of their own.
fn shared_registration() -> Finding {
    Finding {
        kind: REGISTRATION_APPLIED,
        holds: true,
        reason: "NilRegistration",
        message: "the agent uses the registration of the add-on cluster-gateway".to_owned(),
    }
}

/// The registration at the hub, and the one at the gateway's own entrance if there is such an
/// entrance.
fn registrations(cluster: &SelectedCluster<'_>, registered: &Registered) -> Vec<Value> {
    let version = cluster.observed.installation.addons;
    let mut all = vec![registered.client.registration(version)];
    // The unit depends on the authority, so that a new authority is a new registration and the
    // agent gets a new certificate.
    let at_gateway = cluster.signer.as_ref().map(|signer| {
        let subject = tunnel_subject(cluster.name);
        subject.registration_with(TUNNEL_SIGNER, &signer.fingerprint(), version)
    });
    all.extend(at_gateway);
    all
}

/// The fields of the add-on that carries the agent. Its finalizer keeps it until everything else of
/// its cluster is removed.
fn carrier() -> Value {
    json!({
        "metadata": {
            "annotations": {CLEANUP_PRIORITY: DELETED_LATE},
            "finalizers": [PRE_DELETE],
        },
        "spec": {},
    })
}
