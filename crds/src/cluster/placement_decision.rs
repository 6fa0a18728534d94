//! `PlacementDecision`: clusters that a placement has selected, at most 100 in each decision.

use serde::Deserialize;

/// Label of a decision: the name of its placement in the same namespace.
pub const PLACEMENT_LABEL: &str = "cluster.open-cluster-management.io/placement";

/// The selected clusters.
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
    /// The names of the selected clusters.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        self.decisions
            .iter()
            .map(|decision| decision.cluster_name.as_str())
    }
}
