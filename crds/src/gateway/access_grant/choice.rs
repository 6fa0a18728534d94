//! Which clusters a grant selects. The operator uses this to apply grants, and the plugin uses it
//! to predict the result.

use std::collections::BTreeMap;

use kube::core::{Selector, SelectorExt as _};

use super::{GrantClusters, PlacementReference};
use crate::label_selector::{SelectorFault, compile};

/// The clusters of a grant, parsed once for many lookups.
#[derive(Clone, Debug)]
pub struct ClusterChoice {
    names: Vec<String>,
    /// `None` if there is no selector. An invalid one selects no clusters.
    selector: Option<Result<Selector, SelectorFault>>,
    placements: Vec<PlacementReference>,
}

impl From<&GrantClusters> for ClusterChoice {
    fn from(clusters: &GrantClusters) -> Self {
        Self {
            names: clusters.names.clone(),
            selector: clusters.selector.as_ref().map(compile),
            placements: clusters.placements.clone(),
        }
    }
}

impl ClusterChoice {
    /// Why the selector makes no sense. `None` if it does, or if there is none.
    pub fn fault(&self) -> Option<&SelectorFault> {
        self.selector.as_ref()?.as_ref().err()
    }

    /// True if the grant selects the cluster of this name with these labels. `is_placed` returns
    /// whether a placement has selected the cluster and may use it.
    pub fn chooses(
        &self,
        cluster: &str,
        labels: &BTreeMap<String, String>,
        is_placed: impl Fn(&PlacementReference) -> bool,
    ) -> bool {
        let selector = self.selector.as_ref().and_then(|it| it.as_ref().ok());
        self.names.iter().any(|it| it == cluster)
            || selector.is_some_and(|it| it.matches(labels))
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
