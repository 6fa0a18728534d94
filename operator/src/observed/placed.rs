//! Which clusters placements have selected, parsed once for each decision. With thousands of
//! clusters there are dozens of decisions with a hundred names each.

use std::collections::{BTreeMap, BTreeSet};

use crds::{
    cluster::{PLACEMENT_LABEL, PlacementDecisionStatus},
    gateway::PlacementReference,
};
use kube::core::DynamicObject;

use crate::{
    kind::{Kind, ObjectKey},
    object::part,
};

/// The contents of all decisions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placed(BTreeMap<ObjectKey, Decision>);

#[derive(Clone, Debug)]
struct Decision {
    placement: String,
    clusters: BTreeSet<String>,
}

impl Placed {
    /// Takes in the current state of a decision. `None` means that it was deleted.
    pub(crate) fn observe(&mut self, key: &ObjectKey, object: Option<&DynamicObject>) {
        match object.and_then(Decision::read) {
            Some(decision) => {
                self.0.insert(key.clone(), decision);
            }
            None => {
                self.0.remove(key);
            }
        }
    }

    /// True if the placement has selected the cluster.
    pub(crate) fn has_chosen(&self, placement: &PlacementReference, cluster: &str) -> bool {
        let PlacementReference { namespace, name } = placement;
        let first = ObjectKey::new(Kind::PlacementDecision, namespace, "");
        let decisions = self.0.range(first..);
        let mut own = decisions
            .take_while(|(key, _)| key.namespace == *namespace)
            .filter(|(_, decision)| decision.placement == *name);
        own.any(|(_, decision)| decision.clusters.contains(cluster))
    }
}

impl Decision {
    fn read(object: &DynamicObject) -> Option<Self> {
        let placement = object.metadata.labels.as_ref()?.get(PLACEMENT_LABEL)?;
        let status: PlacementDecisionStatus = part(object, "status")?;
        Some(Self {
            placement: placement.clone(),
            clusters: status.clusters().map(str::to_owned).collect(),
        })
    }
}
