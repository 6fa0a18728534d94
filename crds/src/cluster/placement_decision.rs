//! `PlacementDecision`: the clusters that a placement has chosen, at most 100 in each.

use serde::Deserialize;

/// Label of a decision: the name of its placement, in the same namespace.
pub const PLACEMENT_LABEL: &str = "cluster.open-cluster-management.io/placement";

/// Clusters that were chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PlacementDecisionStatus {
    decisions: Vec<Decision>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Decision {
    cluster_name: String,
}

impl PlacementDecisionStatus {
    /// Their names.
    pub fn clusters(self) -> impl Iterator<Item = String> {
        self.decisions
            .into_iter()
            .map(|decision| decision.cluster_name)
    }
}
