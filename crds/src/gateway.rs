//! `gateway.open-cluster-management.io/v1alpha1`: the kinds with which the administrator of a hub
//! configures Spokeway.

mod access_grant;
mod gateway_configuration;
mod status;

pub use access_grant::{
    AccessGrant, AccessGrantSpec, AccessGrantStatus, ClusterChoice, ClusterGrant, GRANT_FINALIZER,
    GROUP_MEMBER, GrantClusters, GrantCounts, GrantNamespaces, GrantRole, GrantState, Judgement,
    ON_CLUSTER_PREFIX, OnCluster, REMOVING, Subject, SubjectKind, USER_EXTRA, grant_crd,
    on_cluster,
};
pub use gateway_configuration::{
    Access, AccessCap, AccountReference, Clusters, Credentials, CredentialsType, Egress,
    EgressType, Entrypoint, EntrypointType, ExposedService, ExternalServer, GatewayConfiguration,
    GatewayConfigurationSpec, Identity, Limits, LoadBalancer, NodePlacement, PlacementReference,
    Protocol, Server, ServerDeployment, crd,
};
pub use status::{ClusterCounts, ComponentVersion, GatewayConfigurationStatus, TroubledCluster};

/// API group.
pub const GROUP: &str = "gateway.open-cluster-management.io";
/// The only version of the group.
pub const VERSION: &str = "v1alpha1";
/// The only name that a `GatewayConfiguration` may have.
pub const SINGLETON: &str = "default";
/// The only DNS name in the certificate that the gateway's replicas present to each other.
pub const PEER_NAME: &str = "gateway-server-peer";
/// Spokeway's finalizer. It is removed once everything that was created for the configuration is
/// removed.
pub const FINALIZER: &str = "gateway.open-cluster-management.io/cleanup";
