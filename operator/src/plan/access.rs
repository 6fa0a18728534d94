//! The rights that `AccessGrant`s give on one cluster: one work (or several, if one would be too
//! large) that carries the rights of all its grants, and the gateway's right to impersonate exactly
//! the subjects of these grants. Pure.
//!
//! ```text
//! grant ──(selects, accepted, within the caps, not over)──► manifests ──► work ──► grant's status
//! ```

mod impersonation;
mod judgement;
mod overdue;
mod record;
mod rollout;
mod selection;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use crds::{
    addon::ADDON_LABEL,
    gateway::{Caps, IdentityType},
};
use jiff::Timestamp;
use kube::core::DynamicObject;
use serde_json::json;

pub(crate) use self::{
    impersonation::account_of,
    overdue::{Overdue, overdue},
    status::plan as plan_grant,
};
use self::{
    impersonation::impersonation,
    selection::{is_selected, lasts, selects},
};
use crate::{
    grant::{Grant, is_access_work},
    kind::{Kind, ObjectKey},
    manifest::Manifest,
    names::{ACCESS_WORK, ACCOUNTS, GATEWAY},
    observed::Observed,
    plan::{Desired, Plan, enrolment},
};

/// How many bytes of manifests one work carries. Open Cluster Management accepts 500 KiB.
const WORK_HOLDS: usize = 350 * 1024;
/// The field manager that the work agent uses on the cluster.
const FIELD_MANAGER: &str = "work-agent-spokeway";

/// Plans which grants the cluster carries.
pub(crate) fn plan(observed: &Observed, cluster: &str, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let held = held(observed, cluster, now);
    if let Some(time) = enrolment::looks_again_at(observed, cluster, now) {
        plan.wake_at(time);
    }
    for end in ends(observed, cluster, &held, now) {
        plan.wake_at(end);
    }
    record::plan(observed, cluster, !held.is_empty(), now, &mut plan);
    let ended = ended(observed, cluster, &held);
    let works = works(observed, cluster, &held, &ended);
    let kept: BTreeSet<_> = works.iter().map(|work| work.key.clone()).collect();
    for work in works {
        plan.want(observed, work);
    }
    for (key, _) in observed.within(Kind::ManifestWork, cluster) {
        if is_access_work(key) && !kept.contains(key) {
            plan.unwanted(observed, key);
        }
    }
    plan
}

/// True for objects of a cluster that affect which grants it carries.
pub(crate) fn concerns(key: &ObjectKey) -> bool {
    match key.kind {
        Kind::ManagedCluster | Kind::Namespace | Kind::ConfigMap => true,
        Kind::ManagedClusterAddOn => key.name == ACCOUNTS,
        _ => is_access_work(key),
    }
}

/// The clusters that a change of this grant concerns: those that it selects, and those that carry
/// it.
pub(crate) fn clusters_of(observed: &Observed, grant: &str) -> BTreeSet<String> {
    let mut clusters = BTreeSet::new();
    if let Some(grant) = observed.grants.get(grant) {
        let all = observed.all(Kind::ManagedCluster);
        let selected = all.filter(|(_, cluster)| selects(observed, grant, cluster));
        clusters.extend(selected.map(|(key, _)| key.name.clone()));
    }
    let holding = observed
        .shipped
        .iter()
        .filter(|(_, shipped)| shipped.grants.contains_key(grant));
    clusters.extend(holding.map(|(key, _)| key.namespace.clone()));
    clusters
}

/// The grants whose status depends on what this cluster carries.
pub(crate) fn grants_of(observed: &Observed, cluster: &str) -> Vec<String> {
    let object = observed.object(&ObjectKey::global(Kind::ManagedCluster, cluster));
    let concerned = observed.grants.iter().filter(|(_, grant)| {
        grant.lists(cluster) || object.is_some_and(|object| selects(observed, grant, object))
    });
    concerned.map(|(name, _)| name.clone()).collect()
}

/// The grants that the cluster is supposed to carry, by name.
fn held<'a>(observed: &'a Observed, cluster: &str, now: Timestamp) -> Vec<&'a Grant> {
    let key = ObjectKey::global(Kind::ManagedCluster, cluster);
    let Some(object) = observed.object(&key) else {
        return Vec::new();
    };
    let is_enrolled = || enrolment::is_selected(observed, cluster, now);
    if observed.grants.is_empty() || !callers_are_themselves(observed) || !is_enrolled() {
        return Vec::new();
    }
    let (caps, labels) = (caps(observed), labels_of(object));
    let grants = observed.grants.values().map(AsRef::as_ref);
    let held = grants.filter(|grant| {
        !grant.object.is_over(now)
            && is_selected(observed, grant, object, now)
            && judgement::is_judged(observed, grant)
            && caps.allow(&grant.object.spec.role, labels)
    });
    held.collect()
}

/// The grants that have ended on the cluster, whose bindings it has not reported to be of nobody yet.
/// `held` is sorted by name.
fn ended<'a>(observed: &'a Observed, cluster: &str, held: &[&Grant]) -> Vec<&'a Grant> {
    let mut ended = Vec::new();
    for (_, shipped) in observed.shipped_to(cluster) {
        for (name, of_work) in &shipped.grants {
            let is_done = of_work.has_ended && shipped.is_current && of_work.is_applied();
            let grant = observed.grants.get(name).filter(|it| it.owns(of_work));
            let held = held.binary_search_by_key(&name.as_str(), |grant| grant.name());
            if !is_done && held.is_err() {
                ended.extend(grant.map(AsRef::as_ref));
            }
        }
    }
    ended
}

/// When grants end that the cluster carries, or may end because no placement selects it.
fn ends(observed: &Observed, cluster: &str, held: &[&Grant], now: Timestamp) -> Vec<Timestamp> {
    let key = ObjectKey::global(Kind::ManagedCluster, cluster);
    let object = observed.object(&key);
    let ends = held.iter().flat_map(|grant| {
        let is_dropped = |it: &&_| !selects(observed, grant, it);
        let dropped = object.filter(is_dropped);
        let lasts = dropped.and_then(|it| lasts(observed, grant, it, now));
        [grant.object.expires_at(), lasts]
    });
    ends.flatten().collect()
}

/// What the configuration lets be granted at most.
fn caps(observed: &Observed) -> Caps {
    let configuration = observed.configuration();
    configuration.map_or_else(Caps::default, |it| Caps::from(&it.spec.access))
}

fn labels_of(object: &DynamicObject) -> &BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    object.metadata.labels.as_ref().unwrap_or(&NONE)
}

/// False if every caller acts as the gateway's account, so that no grant has an effect.
fn callers_are_themselves(observed: &Observed) -> bool {
    let configuration = observed.configuration();
    configuration.is_some_and(|it| it.spec.identity.kind == IdentityType::Impersonate)
}

/// The works of a cluster. A grant's work depends only on the grant's name, until the number of
/// works doubles.
fn works(observed: &Observed, cluster: &str, held: &[&Grant], ended: &[&Grant]) -> Vec<Desired> {
    if held.is_empty() {
        return Vec::new();
    }
    let size: usize = held.iter().map(|grant| grant.size).sum();
    let count = size.div_ceil(WORK_HOLDS).next_power_of_two();
    let mut parts = vec![(Vec::new(), Vec::new()); count];
    let impersonation = impersonation(observed, cluster, held);
    parts[0]
        .0
        .extend(impersonation.into_iter().map(Manifest::from));
    for grant in held {
        let (manifests, namespaces) = &mut parts[grant.shard % count];
        manifests.extend(grant.manifests.iter().cloned());
        namespaces.extend(grant.made_namespaces());
    }
    for grant in ended {
        let (manifests, _) = &mut parts[grant.shard % count];
        // A work that has nothing else is deleted, which is reported.
        if !manifests.is_empty() {
            manifests.extend(grant.emptied());
        }
    }
    let filled = parts
        .into_iter()
        .enumerate()
        .filter(|(_, (manifests, _))| !manifests.is_empty());
    let works = filled.map(|(index, (manifests, namespaces))| {
        let name = format!("{ACCESS_WORK}{index}");
        let key = ObjectKey::new(Kind::ManifestWork, cluster, &name);
        work(key, manifests, namespaces)
    });
    works.collect()
}

fn work(key: ObjectKey, manifests: Vec<Manifest>, mut namespaces: Vec<&str>) -> Desired {
    // Two grants may create the same namespace, but a work may list it only once.
    namespaces.sort_unstable();
    namespaces.dedup();
    let made = namespaces
        .iter()
        .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
    let manifests = made.map(Manifest::from).chain(manifests).collect();
    let mut body = json!({"metadata": {"labels": {ADDON_LABEL: GATEWAY}}, "spec": {
        "manifestConfigs": [{
            "resourceIdentifier": {
                "group": "rbac.authorization.k8s.io", "resource": "*", "name": "*", "namespace": "*",
            },
            "updateStrategy": {
                "type": "ServerSideApply",
                "serverSideApply": {"force": true, "fieldManager": FIELD_MANAGER},
            },
        }],
    }});
    if !namespaces.is_empty() {
        let stay = namespaces.iter().map(
            |name| json!({"group": "", "resource": "namespaces", "namespace": "", "name": name}),
        );
        body["spec"]["deleteOption"] = json!({
            "propagationPolicy": "SelectivelyOrphan",
            "selectivelyOrphans": {"orphaningRules": stay.collect::<Vec<_>>()},
        });
    }
    Desired::work(key, body, manifests)
}
