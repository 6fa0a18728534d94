//! The managed clusters of a hub, and everything that decides which clusters a grant selects.

use std::collections::{BTreeMap, BTreeSet};

use crds::{
    cluster::{
        self, ClusterSetBindingSpec, ClusterSetBindingStatus, ClusterSetSpec, ManagedCluster,
        PLACEMENT_LABEL, PlacementDecisionStatus,
    },
    gateway::{ClusterChoice, GrantClusters, PlacementReference},
};
use kube::{
    core::{DynamicObject, GroupVersionKind},
    discovery::ApiResource,
};
use serde::de::DeserializeOwned;

use crate::hub::{Hub, HubError};

pub(crate) type Labels = BTreeMap<String, String>;

/// The clusters and placements of a hub, as they were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    clusters: BTreeMap<String, Labels>,
    decisions: Vec<(PlacementReference, PlacementDecisionStatus)>,
    sets: BTreeMap<String, ClusterSetSpec>,
    /// The namespaces, each with a set that is bound to it.
    bound: BTreeSet<(String, String)>,
}

impl Fleet {
    /// Reads the clusters, and also placements if one of these grants uses any.
    pub(crate) async fn read<'a>(
        hub: &Hub,
        mut grants: impl Iterator<Item = &'a GrantClusters>,
    ) -> Result<Self, HubError> {
        let mut fleet = Self::of(hub.list::<ManagedCluster>().await?);
        if grants.any(|clusters| !clusters.placements.is_empty()) {
            let kind = |version, kind| {
                ApiResource::from_gvk(&GroupVersionKind::gvk(cluster::GROUP, version, kind))
            };
            fleet.add_decisions(
                &hub.list_untyped(&kind("v1beta1", "PlacementDecision"))
                    .await?,
            );
            fleet.add_sets(
                &hub.list_untyped(&kind("v1beta2", "ManagedClusterSet"))
                    .await?,
            );
            let bindings = kind("v1beta2", "ManagedClusterSetBinding");
            fleet.add_bindings(&hub.list_untyped(&bindings).await?);
        }
        Ok(fleet)
    }

    pub(crate) fn of(clusters: Vec<ManagedCluster>) -> Self {
        let labels = clusters.into_iter().map(|it| it.metadata);
        let clusters =
            labels.map(|it| (it.name.unwrap_or_default(), it.labels.unwrap_or_default()));
        Self {
            clusters: clusters.collect(),
            ..Self::default()
        }
    }

    fn add_decisions(&mut self, decisions: &[DynamicObject]) {
        let decisions = decisions.iter().map(|decision| {
            let labels = decision.metadata.labels.as_ref();
            let name = labels.and_then(|labels| labels.get(PLACEMENT_LABEL));
            let placement = PlacementReference {
                namespace: decision.metadata.namespace.clone().unwrap_or_default(),
                name: name.cloned().unwrap_or_default(),
            };
            (placement, part(decision, "status"))
        });
        self.decisions.extend(decisions);
    }

    fn add_sets(&mut self, sets: &[DynamicObject]) {
        let sets = sets.iter().map(|set| {
            let name = set.metadata.name.clone().unwrap_or_default();
            (name, part(set, "spec"))
        });
        self.sets.extend(sets);
    }

    fn add_bindings(&mut self, bindings: &[DynamicObject]) {
        let bound = bindings
            .iter()
            .filter(|binding| part::<ClusterSetBindingStatus>(binding, "status").is_bound())
            .map(|binding| {
                let spec: ClusterSetBindingSpec = part(binding, "spec");
                let namespace = binding.metadata.namespace.clone().unwrap_or_default();
                (namespace, spec.cluster_set)
            });
        self.bound.extend(bound);
    }

    /// The names of all clusters.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.clusters.keys().map(String::as_str)
    }

    /// The labels of a cluster. `None` if the hub has no cluster of that name.
    pub(crate) fn labels(&self, cluster: &str) -> Option<&Labels> {
        self.clusters.get(cluster)
    }

    /// The clusters that a grant selects, including named ones that the hub does not have.
    pub(crate) fn chosen(&self, clusters: &GrantClusters) -> BTreeSet<String> {
        let choice = ClusterChoice::from(clusters);
        let chosen = self.clusters.iter().filter(|(name, labels)| {
            choice.chooses(name, labels, |placement| {
                self.is_placed(placement, name, labels)
            })
        });
        chosen
            .map(|(name, _)| name)
            .chain(&clusters.names)
            .cloned()
            .collect()
    }

    fn is_placed(&self, placement: &PlacementReference, cluster: &str, labels: &Labels) -> bool {
        let mut decisions = self.decisions.iter();
        let mut bound = self.bound.iter();
        decisions.any(|(of, status)| of == placement && status.clusters().any(|it| it == cluster))
            && bound.any(|(namespace, set)| {
                namespace == &placement.namespace
                    && self.sets.get(set).is_some_and(|it| it.holds(set, labels))
            })
    }
}

fn part<T: DeserializeOwned + Default>(object: &DynamicObject, name: &str) -> T {
    let part = object.data.get(name).map(T::deserialize);
    part.and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Clusters with these names and values of the label `env`.
    pub(crate) fn fleet(clusters: &[(&str, &str)]) -> Fleet {
        let labels = |env: &str| [("env".to_owned(), env.to_owned())].into();
        let clusters = clusters.iter();
        Fleet {
            clusters: clusters
                .map(|(name, env)| ((*name).to_owned(), labels(env)))
                .collect(),
            ..Fleet::default()
        }
    }

    fn objects(all: Value) -> Vec<DynamicObject> {
        serde_json::from_value(all).unwrap()
    }

    fn chosen(fleet: &Fleet, clusters: Value) -> Vec<String> {
        let clusters: GrantClusters = serde_json::from_value(clusters).unwrap();
        fleet.chosen(&clusters).into_iter().collect()
    }

    #[test]
    fn names_labels_and_placements_choose() {
        let mut fleet = fleet(&[("a", "prod"), ("b", "test"), ("c", "prod")]);
        assert_eq!(chosen(&fleet, json!({"names": ["b", "z"]})), ["b", "z"]);
        let prod = json!({"selector": {"matchLabels": {"env": "prod"}}});
        assert_eq!(chosen(&fleet, prod), ["a", "c"]);

        let placed = json!({"placements": [{"namespace": "team", "name": "all"}]});
        let meta = |name: &str| json!({"name": name, "namespace": "team"});
        fleet.add_decisions(&objects(json!([{
            "metadata": {"name": "all-1", "namespace": "team", "labels": {PLACEMENT_LABEL: "all"}},
            "status": {"decisions": [{"clusterName": "a"}, {"clusterName": "b"}]},
        }])));
        assert!(chosen(&fleet, placed.clone()).is_empty(), "no set is bound");
        fleet.add_sets(&objects(json!([{
            "metadata": {"name": "prod"},
            "spec": {"clusterSelector": {
                "selectorType": "LabelSelector", "labelSelector": {"matchLabels": {"env": "prod"}},
            }},
        }])));
        fleet.add_bindings(&objects(json!([
            {"metadata": meta("prod"), "spec": {"clusterSet": "prod"}},
        ])));
        assert!(chosen(&fleet, placed.clone()).is_empty(), "not bound yet");
        fleet.add_bindings(&objects(json!([{
            "metadata": meta("prod"), "spec": {"clusterSet": "prod"},
            "status": {"conditions": [{"type": "Bound", "status": "True"}]},
        }])));
        assert_eq!(chosen(&fleet, placed), ["a"], "b is of no bound set");
    }
}
