//! `cluster.open-cluster-management.io/v1`: Open Cluster Management's own kinds, as far as the
//! gateway reads them.

mod managed_cluster;

pub use managed_cluster::{
    ClientConfig, ClusterClaim, ManagedCluster, ManagedClusterSpec, ManagedClusterStatus,
    ManagedClusterVersion, Taint, TaintEffect,
};
