//! `ManagedClusterSet` and `ManagedClusterSetBinding`. They decide in which namespaces placements
//! may select a cluster.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt as _};
use serde::Deserialize;

/// Label of a cluster: the set that it belongs to.
const SET_LABEL: &str = "cluster.open-cluster-management.io/clusterset";
const BY_LABELS: &str = "LabelSelector";

/// The clusters of a set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterSetSpec {
    cluster_selector: ClusterSelector,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClusterSelector {
    selector_type: String,
    label_selector: Option<LabelSelector>,
}

/// The set that is bound to a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterSetBindingSpec {
    /// Name of the set.
    pub cluster_set: String,
}

/// Whether the binding is effective.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ClusterSetBindingStatus {
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    of_type: String,
    status: String,
}

impl ClusterSetSpec {
    /// True if a cluster with these labels belongs to the set of this name. An invalid selector
    /// selects no clusters.
    pub fn holds(&self, set: &str, labels: &BTreeMap<String, String>) -> bool {
        let ClusterSelector {
            selector_type,
            label_selector,
        } = &self.cluster_selector;
        if selector_type != BY_LABELS {
            return labels.get(SET_LABEL).is_some_and(|it| it == set);
        }
        let selector = label_selector.clone().map(Selector::try_from);
        selector.is_some_and(|it| it.is_ok_and(|selector| selector.matches(labels)))
    }
}

impl ClusterSetBindingStatus {
    /// True if the set may be used in the namespace of the binding.
    pub fn is_bound(&self) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.any(|it| it.of_type == "Bound" && it.status == "True")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn holds(spec: &Value, labels: &[(&str, &str)]) -> bool {
        let spec = ClusterSetSpec::deserialize(spec).unwrap();
        let labels = labels.iter().map(|(key, value)| (*key, *value));
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        spec.holds("prod", &labels.collect())
    }

    #[test]
    fn a_set_has_clusters_by_their_label_or_by_its_selector() {
        let by_label = json!({"clusterSelector": {"selectorType": "ExclusiveClusterSetLabel"}});
        for spec in [&by_label, &json!({})] {
            assert!(holds(spec, &[(SET_LABEL, "prod")]));
            assert!(!holds(spec, &[(SET_LABEL, "test")]) && !holds(spec, &[]));
        }
        let selector = |selector: Value| json!({"clusterSelector": {"selectorType": BY_LABELS, "labelSelector": selector}});
        let env = selector(json!({"matchLabels": {"env": "prod"}}));
        assert!(holds(&env, &[("env", "prod")]) && !holds(&env, &[(SET_LABEL, "prod")]));
        assert!(holds(&selector(json!({})), &[]));
        assert!(!holds(&selector(Value::Null), &[]));
        let senseless = json!({"matchExpressions": [{"key": "a", "operator": "Near"}]});
        assert!(!holds(&selector(senseless), &[("a", "b")]));
    }

    #[test]
    fn a_binding_holds_once_it_is_bound() {
        let bound = |conditions: Value| {
            let status = json!({"conditions": conditions});
            ClusterSetBindingStatus::deserialize(&status)
                .unwrap()
                .is_bound()
        };
        assert!(bound(json!([{"type": "Bound", "status": "True"}])));
        assert!(!bound(json!([{"type": "Bound", "status": "False"}])) && !bound(json!([])));
    }
}
