//! `cluster.open-cluster-management.io/v1`: the kinds of Open Cluster Management that the gateway
//! and the operator read, as far as they read them.

mod cluster_set;
mod managed_cluster;
mod placement_decision;

pub use cluster_set::{ClusterSetBindingSpec, ClusterSetBindingStatus, ClusterSetSpec};
pub use managed_cluster::{
    ClientConfig, ClusterClaim, ManagedCluster, ManagedClusterSpec, ManagedClusterStatus,
    ManagedClusterVersion, Taint, TaintEffect,
};
pub use placement_decision::{PLACEMENT_LABEL, PlacementDecisionStatus};

/// API group.
pub const GROUP: &str = "cluster.open-cluster-management.io";
