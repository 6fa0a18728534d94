//! The status of a grant, and how long a deleted grant is kept.

use std::collections::{BTreeMap, BTreeSet};

use crds::gateway::{
    AccessGrantStatus, ClusterGrant, GRANT_FINALIZER, GrantCounts, GrantState, REMOVING,
};
use jiff::Timestamp;
use serde_json::json;

use super::{judgement::judge, rollout::Rollout, selection::selects};
use crate::{
    grant::Grant,
    kind::{Kind, ObjectKey},
    observed::Observed,
    plan::{Desired, Finding, Hold, Plan},
};

/// Plans the status and the finalizer of one grant.
pub(crate) fn plan(observed: &Observed, name: &str, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let key = ObjectKey::global(Kind::AccessGrant, name);
    let (Some(object), Some(grant)) = (observed.object(&key), observed.grants.get(name)) else {
        return plan;
    };
    let before = grant.object.status.clone().unwrap_or_default();
    let states = states(observed, grant, &before, now);
    if let Some(end) = grant.object.expires_at().filter(|end| *end > now) {
        plan.wake_at(end);
    }
    let is_deleting = grant.object.metadata.deletion_timestamp.is_some();
    let runs = observed.configuration().is_some_and(|it| !it.is_deleting);
    let away = |state: &&ClusterGrant| {
        let rollout = Rollout {
            observed,
            grant,
            cluster: &state.name,
        };
        state.reason == REMOVING && rollout.away().is_some()
    };
    let waits = states.iter().any(|it| it.reason == REMOVING && !away(&it));
    let hold = if waits || (runs && !is_deleting) {
        Hold::Keep
    } else {
        Hold::Release
    };
    plan.hold(&key, object, GRANT_FINALIZER, hold);
    if is_deleting && !waits {
        let names: Vec<_> = states
            .iter()
            .filter(away)
            .map(|it| it.name.as_str())
            .collect();
        if !names.is_empty() {
            let text = format!(
                "these clusters are not connected: {}; the rights of the grant are removed from each of them \
                 when it reconnects",
                names.join(", ")
            );
            plan.warn(&key, object, "RevocationPending", text);
        }
        return plan;
    }
    // The next plan writes the status of the version that has the finalizer.
    if !plan.actions.is_empty() {
        return plan;
    }
    let mut body = status(grant, &before, &states, now);
    body["judgement"] = judge(observed, grant, &mut plan, now);
    // The judgement is of exactly this version.
    let desired = Desired::new(key, json!({"status": body}));
    plan.want_status(observed, desired.at(object));
    plan
}

/// Every cluster that the grant selects, or that still has objects of it.
fn states(
    observed: &Observed,
    grant: &Grant,
    before: &AccessGrantStatus,
    now: Timestamp,
) -> Vec<ClusterGrant> {
    let before: BTreeMap<_, _> = before
        .cluster_states
        .iter()
        .map(|it| (it.name.as_str(), it))
        .collect();
    let selected = observed
        .all(Kind::ManagedCluster)
        .filter(|(_, object)| selects(observed, grant, object))
        .map(|(key, _)| key.name.as_str());
    let named = grant.object.spec.clusters.names.iter().map(String::as_str);
    let holding = observed
        .shipped
        .iter()
        .filter(|(_, it)| it.grants.contains_key(grant.name()))
        .map(|(key, _)| key.namespace.as_str());
    let clusters: BTreeSet<_> = selected
        .chain(named)
        .chain(holding)
        .chain(before.keys().copied())
        .collect();
    let states = clusters.into_iter().filter_map(|cluster| {
        let rollout = Rollout {
            observed,
            grant,
            cluster,
        };
        rollout.says(before.get(cluster).copied(), now)
    });
    states.collect()
}

fn status(
    grant: &Grant,
    before: &AccessGrantStatus,
    states: &[ClusterGrant],
    now: Timestamp,
) -> serde_json::Value {
    let counts = counts(states);
    let ready = summary(grant, states, counts).condition(&before.conditions, now);
    json!({
        "observedGeneration": grant.generation(),
        "conditions": [ready],
        "expiresAt": grant.object.expires_at().map(|end| format!("{end:.0}")),
        "clusters": counts,
        "clusterStates": states,
    })
}

fn counts(states: &[ClusterGrant]) -> GrantCounts {
    let is_own = |it: &&ClusterGrant| it.reason != REMOVING;
    let count = |state| {
        let all = states.iter().filter(is_own).filter(|it| it.state == state);
        i32::try_from(all.count()).unwrap_or(i32::MAX)
    };
    let (applied, pending) = (count(GrantState::Applied), count(GrantState::Pending));
    let (failed, expired) = (count(GrantState::Failed), count(GrantState::Expired));
    GrantCounts {
        total: applied + pending + failed + expired,
        applied,
        pending,
        failed,
    }
}

/// Whether the grant is effective on all of its clusters, and the first obstacle if it is not.
fn summary(grant: &Grant, states: &[ClusterGrant], counts: GrantCounts) -> Finding {
    let finding = |holds, reason, message| Finding {
        kind: "Ready",
        holds,
        reason,
        message,
    };
    if let Some(fault) = grant.choice.fault() {
        let message = format!(
            "spec.clusters.selector.{fault}; the clusters that have the grant keep it, and no other gets it, until \
             the selector is corrected"
        );
        return finding(false, "InvalidSelector", message);
    }
    let first = |state| states.iter().find(|it| it.state == state);
    let GrantCounts { total, applied, .. } = counts;
    let missing = |it: &ClusterGrant| {
        format!(
            "applied on {applied} of {total} clusters; {}: {}",
            it.name, it.message
        )
    };
    if let Some(failed) = first(GrantState::Failed) {
        return finding(false, "Failed", missing(failed));
    }
    if let Some(pending) = first(GrantState::Pending) {
        return finding(false, "Pending", missing(pending));
    }
    if first(GrantState::Expired).is_some() {
        let message = "the grant has expired and is removed from all clusters; you can delete it";
        return finding(false, "Expired", message.to_owned());
    }
    if total == 0 {
        let message = "the grant selects no cluster of this hub";
        return finding(false, "NoClusters", message.to_owned());
    }
    let message = format!("applied on {applied} of {total} clusters");
    finding(true, "Applied", message)
}
