//! Which clusters placements have selected, parsed once for each decision. With thousands of
//! clusters there are dozens of decisions with a hundred names each.
//!
//! Open Cluster Management writes the decisions of a placement one after the other, so a cluster
//! that moves from one to the next may be in none of them meanwhile. So it also says which clusters
//! were selected until lately. Takes `now`.

use std::collections::{BTreeMap, BTreeSet};

use crds::{
    cluster::{PLACEMENT_LABEL, PlacementDecisionStatus},
    gateway::PlacementReference,
};
use jiff::{SignedDuration, Timestamp};
use kube::core::DynamicObject;

use crate::{
    kind::{Kind, ObjectKey},
    object::part,
};

/// A cluster counts as selected until its placement has not selected it for this long.
pub(crate) const LASTS: SignedDuration = SignedDuration::from_secs(45);

/// The contents of all decisions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placed {
    decisions: BTreeMap<ObjectKey, Decision>,
    /// When a decision last ceased to have a cluster. Only the latest are kept.
    dropped: BTreeMap<(PlacementReference, String), Timestamp>,
    /// Since when all decisions are known. A cluster may have been dropped just before.
    known: Option<Timestamp>,
    /// Since when the configuration names a placement. A new one may not have decided yet.
    named: BTreeMap<PlacementReference, Timestamp>,
}

#[derive(Clone, Debug)]
struct Decision {
    placement: PlacementReference,
    clusters: BTreeSet<String>,
}

impl Placed {
    /// Takes in the current state of a decision. `None` means that it was deleted.
    pub(crate) fn observe(
        &mut self,
        key: &ObjectKey,
        object: Option<&DynamicObject>,
        now: Timestamp,
    ) {
        let after = object.and_then(|object| Decision::read(&key.namespace, object));
        if let Some(before) = self.decisions.remove(key) {
            let same = after
                .as_ref()
                .filter(|after| after.placement == before.placement);
            let still = same.map(|after| &after.clusters);
            let clusters = before.clusters.into_iter();
            let gone = clusters.filter(|it| still.is_none_or(|still| !still.contains(it)));
            let gone = gone.map(|cluster| ((before.placement.clone(), cluster), now));
            self.dropped.extend(gone);
        }
        self.decisions
            .extend(after.map(|after| (key.clone(), after)));
        self.dropped
            .retain(|_, since| now.duration_since(*since) < LASTS);
    }

    /// Every decision is known now.
    pub(crate) fn is_listed(&mut self, now: Timestamp) {
        self.known.get_or_insert(now);
    }

    /// The placements that the configuration names now.
    pub(crate) fn name(&mut self, placements: &[PlacementReference], now: Timestamp) {
        self.named.retain(|known, _| placements.contains(known));
        for placement in placements {
            self.named.entry(placement.clone()).or_insert(now);
        }
    }

    /// True if the placement selects the cluster.
    pub(crate) fn has_chosen(&self, placement: &PlacementReference, cluster: &str) -> bool {
        let first = ObjectKey::new(Kind::PlacementDecision, &placement.namespace, "");
        let decisions = self.decisions.range(first..);
        let mut own = decisions
            .take_while(|(key, _)| key.namespace == placement.namespace)
            .filter(|(_, decision)| decision.placement == *placement);
        own.any(|(_, decision)| decision.clusters.contains(cluster))
    }

    /// Until when a cluster that the placement may have selected lately counts as selected, if it
    /// still has what selected clusters have. `None` if the placement has not selected it for long
    /// enough.
    pub(crate) fn lasts(
        &self,
        placement: &PlacementReference,
        cluster: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let dropped = (placement.clone(), cluster.to_owned());
        let since = [
            self.dropped.get(&dropped),
            self.known.as_ref(),
            self.named.get(placement),
        ];
        let until = since.into_iter().flatten().max()?.checked_add(LASTS);
        until.ok().filter(|until| *until > now)
    }
}

impl Decision {
    fn read(namespace: &str, object: &DynamicObject) -> Option<Self> {
        let name = object.metadata.labels.as_ref()?.get(PLACEMENT_LABEL)?;
        let status: PlacementDecisionStatus = part(object, "status")?;
        Some(Self {
            placement: PlacementReference {
                namespace: namespace.to_owned(),
                name: name.clone(),
            },
            clusters: status.clusters().map(str::to_owned).collect(),
        })
    }
}
