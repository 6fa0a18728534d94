//! The status of a grant, and how long a deleted grant is kept.

use std::collections::{BTreeMap, BTreeSet};

use crds::gateway::{
    AccessGrantStatus, ClusterGrant, GRANT_FINALIZER, GrantCounts, GrantState, REMOVING,
};
use jiff::Timestamp;
use serde_json::json;

use super::{
    judgement::judge,
    rollout::{INVALID_SELECTOR, Rollout},
    selection::selects,
};
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
    let silent = |state: &&ClusterGrant| state.reason == REMOVING && !away(state);
    let patience = patience(observed, grant, now);
    let waits = patience != Patience::Over && states.iter().any(|it| silent(&it));
    if let Patience::Until(end) = patience {
        plan.wake_at(end);
    }
    let hold = if waits || (runs && !is_deleting) {
        Hold::Keep
    } else {
        Hold::Release
    };
    plan.hold(&key, object, GRANT_FINALIZER, hold);
    if is_deleting && !waits {
        let (away, silent) = (
            names(states.iter().filter(away)),
            names(states.iter().filter(silent)),
        );
        let patience = observed.installation.patience.as_secs();
        if let Some(text) = left_on_clusters_away(&away) {
            plan.warn(&key, object, "RevocationPending", text);
        }
        if let Some(text) = left_on_silent_clusters(&silent, patience) {
            plan.warn(&key, object, "RevocationAbandoned", text);
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

/// How long clusters that are connected may take to remove a grant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Patience {
    /// It is not being removed.
    NotAsked,
    Until(Timestamp),
    Over,
}

fn patience(observed: &Observed, grant: &Grant, now: Timestamp) -> Patience {
    let deleted = grant.object.metadata.deletion_timestamp.as_ref();
    let ended = observed.configuration().and_then(|it| it.deleted);
    match deleted.map(|time| time.0).into_iter().chain(ended).min() {
        None => Patience::NotAsked,
        Some(since) => {
            let end = observed.installation.patience_ends(since, now);
            end.map_or(Patience::Over, Patience::Until)
        }
    }
}

fn left_on_clusters_away(names: &str) -> Option<String> {
    (!names.is_empty()).then(|| {
        format!(
            "these clusters are not connected: {names}; the rights of the grant are removed from each of them \
             when it reconnects"
        )
    })
}

fn left_on_silent_clusters(names: &str, patience: u64) -> Option<String> {
    (!names.is_empty()).then(|| {
        format!(
            "the work agents of these clusters have not removed the rights of the grant within {patience} s: {names}; \
             the rights are still bound there, to a group that the gateway gives to nobody; see status.troubled of \
             the GatewayConfiguration"
        )
    })
}

fn names<'a>(states: impl Iterator<Item = &'a ClusterGrant>) -> String {
    let names: Vec<_> = states.map(|it| it.name.as_str()).collect();
    names.join(", ")
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
    let mut written = json!({
        "observedGeneration": grant.generation(),
        "conditions": [ready],
        "clusters": counts,
        "clusterStates": states,
    });
    // kubectl shows a null as <no value>.
    if let Some(end) = grant.object.expires_at() {
        written["expiresAt"] = format!("{end:.0}").into();
    }
    written
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
            "spec.clusters.selector.{fault}; until it is corrected, it selects no further cluster, and clusters \
             keep the rights that they have, which the gateway lets nobody use"
        );
        return finding(false, INVALID_SELECTOR, message);
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
