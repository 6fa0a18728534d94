//! The three rows of a cluster in `kubectl get managedclusteraddon`, so far as they are ours, and what
//! the two without a registration say.

use crds::addon::{
    CLEANUP_PRIORITY, DEPLOYMENT_CONFIGS, GROUP, MANIFEST_APPLIED, ManagedClusterAddOnStatus,
    PRE_DELETE, REGISTRATION_APPLIED,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    registration::{Registered, tunnel_subject},
    site::Site,
    work::Deployed,
};
use crate::{
    names::{ACCOUNTS, GATEWAY, PROXY, TUNNEL_SIGNER},
    object::part,
    plan::{Desired, Plan, condition, row_key},
};

/// All of them.
pub(crate) const ROWS: [&str; 3] = [GATEWAY, PROXY, ACCOUNTS];
/// A detach deletes what may need the gateway before it.
const DELETED_LATE: &str = "90";
/// Of the two rows that have no registration of their own.
const SHARED: &str = "the agent has the registration of the add-on cluster-gateway";

/// Wants the rows.
pub(super) fn plan(site: &Site<'_>, plan: &mut Plan) {
    let Site {
        observed, cluster, ..
    } = site;
    for addon in ROWS {
        let key = row_key(cluster, addon);
        if site.has_row(addon) {
            let body = if addon == GATEWAY {
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
    site: &Site<'_>,
    registered: &Registered,
    deployed: Option<&Deployed>,
    now: Timestamp,
    plan: &mut Plan,
) {
    for addon in ROWS.into_iter().filter(|addon| site.has_row(addon)) {
        let key = row_key(site.cluster, addon);
        let Some(object) = site.observed.object(&key) else {
            continue;
        };
        let status = part::<ManagedClusterAddOnStatus>(object, "status").unwrap_or_default();
        let before = &status.conditions;
        let (applied, reason, message) = if addon == GATEWAY {
            (registered.applied, registered.reason, registered.message)
        } else {
            (true, "NilRegistration", SHARED)
        };
        let registration = (REGISTRATION_APPLIED, applied);
        let mut conditions = vec![condition(before, registration, reason, message, now)];
        // OCM looks for a work of any row that says it has one.
        if let Some(deployed) = deployed.filter(|_| addon == GATEWAY) {
            let state = (MANIFEST_APPLIED, deployed.holds);
            let (reason, message) = (deployed.reason, &deployed.message);
            conditions.push(condition(before, state, reason, message, now));
        }
        let mut said = json!({
            "namespace": site.namespace_of(addon),
            "healthCheck": {"mode": "Lease"},
            "conditions": conditions,
        });
        if addon == GATEWAY {
            said["registrations"] = registrations(site, registered).into();
            said["supportedConfigs"] = json!([{"group": GROUP, "resource": DEPLOYMENT_CONFIGS}]);
        }
        plan.want_status(site.observed, Desired::new(key, json!({"status": said})));
    }
}

/// At the hub, and at the gateway's own entrance where there is to be one.
fn registrations(site: &Site<'_>, registered: &Registered) -> Vec<Value> {
    let version = site.observed.site.addons;
    let mut all = vec![registered.client.registration(version)];
    // With another authority it is another registration, and the agent gets another certificate.
    let at_gateway = site.signer.as_ref().map(|signer| {
        let subject = tunnel_subject(site.cluster);
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
