//! The three rows of a cluster in `kubectl get managedclusteraddon`, so far as they are ours, and what
//! the two without a registration say.

use crds::addon::{
    CLEANUP_PRIORITY, DEPLOYMENT_CONFIGS, GROUP, ManagedClusterAddOnStatus, PRE_DELETE,
    REGISTRATION_APPLIED,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    registration::{Registered, tunnel_subject},
    selected_cluster::SelectedCluster,
};
use crate::{
    addon::Addon,
    names::TUNNEL_SIGNER,
    object::part,
    plan::{Desired, Finding, Plan, row_key},
};

/// A detach deletes what may need the gateway before it.
const DELETED_LATE: &str = "90";

/// Wants the rows.
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

/// Lets the rows say how far their agent is.
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
        // OCM looks for a work of any row that says it has one.
        if let Some(deployed) = deployed.filter(|_| addon == Addon::Gateway) {
            conditions.push(deployed.condition(before, now));
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

/// Of the two rows that have no registration of their own.
fn shared_registration() -> Finding {
    Finding {
        kind: REGISTRATION_APPLIED,
        holds: true,
        reason: "NilRegistration",
        message: "the agent uses the registration of the add-on cluster-gateway".to_owned(),
    }
}

/// At the hub, and at the gateway's own entrance where there is to be one.
fn registrations(cluster: &SelectedCluster<'_>, registered: &Registered) -> Vec<Value> {
    let version = cluster.observed.installation.addons;
    let mut all = vec![registered.client.registration(version)];
    // With another authority it is another registration, and the agent gets another certificate.
    let at_gateway = cluster.signer.as_ref().map(|signer| {
        let subject = tunnel_subject(cluster.name);
        subject.registration_with(TUNNEL_SIGNER, &signer.fingerprint(), version)
    });
    all.extend(at_gateway);
    all
}

/// The row that holds its cluster's things together.
fn carrier() -> Value {
    json!({
        "metadata": {
            "annotations": {CLEANUP_PRIORITY: DELETED_LATE},
            "finalizers": [PRE_DELETE],
        },
        "spec": {},
    })
}
