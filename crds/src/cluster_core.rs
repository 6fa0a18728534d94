//! `cluster.core.oam.dev/v1alpha1`: the API group that the gateway serves through aggregation. Its
//! JSON is the same as that of oam-dev's cluster-gateway, and so are the names in the Secret of the
//! manual mode.

mod cluster_gateway;
mod credential;
mod endpoint;
mod my_cluster;
mod proxy_options;
mod public_url;
pub mod secret;
mod virtual_cluster;

pub use cluster_gateway::{
    ClusterAccess, ClusterGateway, ClusterGatewaySpec, ClusterGatewayStatus,
};
pub use credential::{
    ClusterCredential, CredentialType, Redacted, RedactedKeyPair, UnknownCredentialType,
};
pub use endpoint::{ClusterEndpoint, ConstEndpoint, EndpointType, UnknownEndpointType};
pub use my_cluster::{MY_CLUSTERS_PATH, MyCluster, MyClusterList, MyClusterStatus, MyGrant};
pub use proxy_options::ClusterGatewayProxyOptions;
pub use public_url::PublicUrl;
pub use virtual_cluster::{
    ALIAS_ANNOTATION, CONTROL_PLANE_LABEL, LOCAL_CLUSTER, NO_ENDPOINT, VirtualCluster,
    VirtualClusterSpec, VirtualCredentialType,
};

/// API group.
pub const GROUP: &str = "cluster.core.oam.dev";
/// The only version of the group.
pub const VERSION: &str = "v1alpha1";
/// Group and version, as in the field `apiVersion`.
pub const API_VERSION: &str = "cluster.core.oam.dev/v1alpha1";
