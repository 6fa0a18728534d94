//! `gateway.open-cluster-management.io/v1alpha1`: the kinds with which the administrator of a hub
//! configures Spokeway.

mod access_grant;
mod caps;
mod gateway_configuration;
mod server_settings;
mod status;
mod user_prefix;

pub use access_grant::{
    AccessGrant, AccessGrantSpec, AccessGrantStatus, ClusterChoice, ClusterGrant, GRANT_FINALIZER,
    GRANT_GROUP_PREFIX, GROUP_MEMBER, GrantClusters, GrantCounts, GrantNamespaces, GrantRole,
    GrantState, Judgement, OnHub, REMOVING, Subject, SubjectKind, USER_EXTRA, grant_crd,
};
pub use caps::Caps;
pub use gateway_configuration::{
    Access, AccessCap, AccountReference, Agents, Clusters, Credentials, CredentialsType,
    DirectAccess, Egress, EgressType, Entrypoint, EntrypointType, ExposedService, ExternalServer,
    Fallback, GatewayConfiguration, GatewayConfigurationSpec, Identity, IdentityType,
    InnerAuthorization, Limits, LoadBalancer, NodePlacement, PlacementReference, Protocol,
    Removals, SecretReference, Server, ServerDeployment, crd,
};
pub use server_settings::{SETTINGS_PATH, ServerSettings};
pub use status::{ClusterCounts, ComponentVersion, GatewayConfigurationStatus, TroubledCluster};
pub use user_prefix::{InvalidUserPrefix, ON_CLUSTER_PREFIX, UserPrefix};

/// Annotation of the `GatewayConfiguration` that confirms the removal of many clusters. Its value is the
/// generation of the configuration and the largest number of clusters that may be removed, e.g. `7-25`.
pub const CONFIRM_REMOVAL: &str = "gateway.open-cluster-management.io/confirm-removal";
/// API group.
pub const GROUP: &str = "gateway.open-cluster-management.io";
/// The only version of the group.
pub const VERSION: &str = "v1alpha1";
/// The only name that a `GatewayConfiguration` may have.
pub const SINGLETON: &str = "default";
/// The only DNS name in the certificate that the gateway's replicas present to each other.
pub const PEER_NAME: &str = "gateway-server-peer";
/// The `ConfigMap` in the namespace of a managed cluster that says that an `AccessGrant` was used on
/// it.
pub const ACCESS_RECORD: &str = "spokeway-access";
/// Spokeway's finalizer. It is removed once everything that was created for the configuration is
/// removed.
pub const FINALIZER: &str = "gateway.open-cluster-management.io/cleanup";
