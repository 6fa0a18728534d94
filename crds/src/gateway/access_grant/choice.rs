//! Which clusters a grant is for: one answer for the operator, which carries it out, and for the plugin,
//! which says what would come of it.

use std::collections::BTreeMap;

use kube::core::{Selector, SelectorExt as _};

use super::{GrantClusters, PlacementReference};

/// The clusters of a grant, read once to be asked for many.
#[derive(Clone, Debug)]
pub struct ClusterChoice {
    names: Vec<String>,
    /// Nothing where there is none, or one that makes no sense, which chooses nothing.
    selector: Option<Selector>,
    placements: Vec<PlacementReference>,
}

impl From<&GrantClusters> for ClusterChoice {
    fn from(clusters: &GrantClusters) -> Self {
        let selector = clusters.selector.clone();
        Self {
            names: clusters.names.clone(),
            selector: selector.and_then(|it| Selector::try_from(it).ok()),
            placements: clusters.placements.clone(),
        }
    }
}

impl ClusterChoice {
    /// True where the grant is for a cluster of that name and these labels. `is_placed` says of a
    /// placement whether it has chosen the cluster, and may have it.
    pub fn chooses(
        &self,
        cluster: &str,
        labels: &BTreeMap<String, String>,
        is_placed: impl Fn(&PlacementReference) -> bool,
    ) -> bool {
        self.names.iter().any(|it| it == cluster)
            || self.selector.as_ref().is_some_and(|it| it.matches(labels))
            || self.placements.iter().any(is_placed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_cluster_is_chosen_by_any_of_the_three() {
        let chooses = |clusters: Value, placed: bool| {
            let clusters: GrantClusters = serde_json::from_value(clusters).unwrap();
            let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
            ClusterChoice::from(&clusters).chooses("managed1", &labels, |_| placed)
        };
        assert!(chooses(json!({"names": ["managed2", "managed1"]}), false));
        assert!(!chooses(json!({"names": ["managed2"]}), true));
        assert!(chooses(
            json!({"selector": {"matchLabels": {"env": "prod"}}}),
            false
        ));
        assert!(chooses(json!({"selector": {}}), false));
        let senseless =
            json!({"selector": {"matchExpressions": [{"key": "env", "operator": "?"}]}});
        assert!(!chooses(senseless, true));
        let placed = json!({"placements": [{"namespace": "a", "name": "b"}]});
        assert!(chooses(placed.clone(), true) && !chooses(placed, false));
    }
}
