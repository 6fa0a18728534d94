//! `ManagedCluster`: a cluster that is registered at the hub. It belongs to Open Cluster
//! Management. Fields that nothing here reads (managed namespaces) are missing, so write it with
//! patches, never with an update.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{Condition, Time},
    },
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a managed cluster is reached and whether the hub accepts it.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, CustomResource, Serialize, Deserialize, JsonSchema,
)]
#[kube(
    group = "cluster.open-cluster-management.io",
    version = "v1",
    kind = "ManagedCluster",
    doc = "ManagedCluster is a cluster registered at the hub; its name is the cluster's name.",
    status = "ManagedClusterStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedClusterSpec {
    /// Addresses of the cluster's API server; empty where the hub has no direct way to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_cluster_client_configs: Vec<ClientConfig>,
    /// Whether the hub accepts the cluster. Until then it has no namespace and no rights here.
    pub hub_accepts_client: bool,
    /// How often the cluster renews its lease, in seconds; 0 stands for 60.
    #[serde(skip_serializing_if = "is_zero")]
    pub lease_duration_seconds: i32,
    /// Marks that repel placements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

/// One address of a cluster's API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientConfig {
    /// URL of the API server.
    pub url: String,
    /// PEM bundle that its certificate is verified with; the system's roots where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::bytes")]
    pub ca_bundle: Option<ByteString>,
}

/// A mark that keeps placements that do not tolerate it off a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Taint {
    /// Name of the taint, such as "cluster.open-cluster-management.io/unreachable".
    pub key: String,
    /// Value that goes with the key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// What the taint does to placements that do not tolerate it.
    pub effect: TaintEffect,
    /// When the taint was added.
    #[serde(default)]
    pub time_added: Option<Time>,
}

/// What a taint does to placements that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// The cluster is not selected, and dropped where it was.
    NoSelect,
    /// The cluster is selected only when no other will do.
    PreferNoSelect,
    /// The cluster is not newly selected.
    NoSelectIfNew,
}

/// How a managed cluster is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedClusterStatus {
    /// Whether the cluster is accepted, joined and available.
    pub conditions: Vec<Condition>,
    /// Total resources of the cluster's nodes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, Quantity>,
    /// Resources of the cluster's nodes that workloads may use.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub allocatable: BTreeMap<String, Quantity>,
    /// Versions that run on the cluster.
    pub version: ManagedClusterVersion,
    /// What the cluster claims about itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_claims: Vec<ClusterClaim>,
}

/// The versions that run on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedClusterVersion {
    /// Version of the cluster's API server, such as "v1.33.1".
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kubernetes: String,
}

/// One thing that a cluster claims about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterClaim {
    /// Name of the claim, such as "id.k8s.io".
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Value of the claim.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_registration_writes_and_writes_it_back() {
        let json = json!({
            "apiVersion": "cluster.open-cluster-management.io/v1",
            "kind": "ManagedCluster",
            "metadata": { "name": "managed1", "labels": { "env": "prod" } },
            "spec": {
                "managedClusterClientConfigs": [
                    { "url": "https://10.0.0.1:6443", "caBundle": "Y2E=" },
                    { "url": "https://spoke.example" },
                ],
                "hubAcceptsClient": true,
                "leaseDurationSeconds": 60,
                "taints": [
                    { "key": "k", "value": "v", "effect": "NoSelect", "timeAdded": "2024-05-01T10:00:00Z" },
                    { "key": "k", "effect": "NoSelectIfNew", "timeAdded": null },
                ],
            },
            "status": {
                "conditions": [{
                    "type": "ManagedClusterConditionAvailable",
                    "status": "True",
                    "reason": "ManagedClusterAvailable",
                    "message": "Managed cluster is available",
                    "lastTransitionTime": "2024-05-01T10:00:00Z",
                }],
                "capacity": { "cpu": "8", "memory": "16Gi" },
                "allocatable": { "cpu": "7500m" },
                "version": { "kubernetes": "v1.33.1" },
                "clusterClaims": [{ "name": "id.k8s.io", "value": "u-1" }],
            },
        });
        let cluster: ManagedCluster = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&cluster).unwrap(), json);
    }

    #[test]
    fn a_cluster_that_has_just_been_created_is_neither_accepted_nor_reachable() {
        let cluster: ManagedCluster =
            serde_json::from_value(json!({ "metadata": { "name": "managed1" }, "spec": {} }))
                .unwrap();
        assert_eq!(cluster.spec, ManagedClusterSpec::default());
        assert_eq!(cluster.status, None);
    }

    #[test]
    fn fields_of_newer_releases_are_ignored() {
        let cluster: ManagedCluster = serde_json::from_value(json!({
            "metadata": { "name": "managed1" },
            "spec": { "hubAcceptsClient": false, "future": 1 },
            "status": { "conditions": [], "managedNamespaces": [{ "name": "n", "clusterSet": "s" }] },
        }))
        .unwrap();
        assert!(
            cluster
                .status
                .is_some_and(|status| status.conditions.is_empty())
        );
    }
}
