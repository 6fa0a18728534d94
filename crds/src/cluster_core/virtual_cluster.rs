//! `VirtualCluster`: a cluster that the hub knows, whether or not the gateway can reach it. It is
//! virtual, like `ClusterGateway`: the gateway computes it from the hub's objects, and nothing
//! stores it. A CRD must never be installed for it.

use std::fmt;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CredentialType, PublicUrl};

/// The name of the hub itself among the clusters.
pub const LOCAL_CLUSTER: &str = "local";
/// The endpoint of a cluster that has none to show.
pub const NO_ENDPOINT: &str = "-";
/// Annotation of the object that makes a cluster known: another name, for people.
pub const ALIAS_ANNOTATION: &str = "cluster.core.oam.dev/cluster-alias";
/// Label: whether the cluster is the hub itself, `"true"` or `"false"`.
pub const CONTROL_PLANE_LABEL: &str = "cluster.core.oam.dev/control-plane";

/// What the hub knows of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "cluster.core.oam.dev",
    version = "v1alpha1",
    kind = "VirtualCluster",
    doc = "VirtualCluster is a cluster that the hub knows: the hub itself, a Secret of the manual mode, or a \
           ManagedCluster. Computed, read-only, free of secrets.",
    derive = "PartialEq"
)]
#[serde(rename_all = "kebab-case")]
pub struct VirtualClusterSpec {
    /// Another name of the cluster, for people: the annotation cluster.core.oam.dev/cluster-alias of its Secret
    /// or `ManagedCluster`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub alias: String,
    /// Whether the hub accepts the cluster. False only for a `ManagedCluster` whose hubAcceptsClient is false.
    #[serde(default)]
    pub accepted: bool,
    /// URL of the API server, or how the gateway reaches it: `Const`: at an address. `ClusterProxy`: through a
    /// tunnel that the cluster opened. `-` if the gateway does not serve the cluster, and for the hub itself.
    #[serde(default = "no_endpoint")]
    pub endpoint: PublicUrl,
    /// What the gateway logs in with. `ServiceAccountToken`: a bearer token. `X509Certificate`: a client
    /// certificate and its key. `Dynamic`: whatever a credential plugin answers. `ManagedCluster`: nothing, the
    /// cluster is registered at the hub and the gateway does not serve it. `Internal`: nothing, it is the hub itself.
    pub credential_type: VirtualCredentialType,
}

fn no_endpoint() -> PublicUrl {
    NO_ENDPOINT.into()
}

/// What the gateway logs in to a cluster with, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum VirtualCredentialType {
    /// A bearer token.
    ServiceAccountToken,
    /// A client certificate and its key.
    X509Certificate,
    /// Whatever a credential plugin answers.
    Dynamic,
    /// The cluster is registered at the hub, and the gateway does not serve it.
    ManagedCluster,
    /// The hub itself.
    Internal,
}

impl VirtualCredentialType {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceAccountToken => CredentialType::ServiceAccountToken.as_str(),
            Self::X509Certificate => CredentialType::X509Certificate.as_str(),
            Self::Dynamic => CredentialType::Dynamic.as_str(),
            Self::ManagedCluster => "ManagedCluster",
            Self::Internal => "Internal",
        }
    }
}

impl From<CredentialType> for VirtualCredentialType {
    fn from(credential: CredentialType) -> Self {
        match credential {
            CredentialType::ServiceAccountToken => Self::ServiceAccountToken,
            CredentialType::X509Certificate => Self::X509Certificate,
            CredentialType::Dynamic => Self::Dynamic,
        }
    }
}

impl fmt::Display for VirtualCredentialType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl VirtualCluster {
    /// The name, and the alias in brackets if there is one.
    pub fn full_name(&self) -> String {
        let name = self.metadata.name.as_deref().unwrap_or_default();
        match self.spec.alias.as_str() {
            "" => name.to_owned(),
            alias => format!("{name} ({alias})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::{CustomResourceExt, Resource};
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster_core::API_VERSION;

    fn served() -> Value {
        json!({
            "kind": "VirtualCluster",
            "apiVersion": "cluster.core.oam.dev/v1alpha1",
            "metadata": {"name": "example", "labels": {"cluster.core.oam.dev/control-plane": "false"}},
            "spec": {
                "alias": "alias", "accepted": true,
                "endpoint": "https://10.0.0.1:6443", "credential-type": "X509Certificate",
            },
        })
    }

    #[test]
    fn reads_and_writes_the_names_of_cluster_gateway() {
        let read: VirtualCluster = serde_json::from_value(served()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), served());
    }

    /// From `TestVirtualCluster`.
    #[test]
    fn the_full_name_has_the_alias_in_brackets() {
        let mut cluster: VirtualCluster = serde_json::from_value(served()).unwrap();
        assert_eq!(cluster.full_name(), "example (alias)");
        cluster.spec.alias = String::new();
        assert_eq!(cluster.full_name(), "example");
    }

    #[test]
    fn credential_types_are_written_as_they_are_shown() {
        use VirtualCredentialType::{
            Dynamic, Internal, ManagedCluster, ServiceAccountToken, X509Certificate,
        };
        for known in [
            ServiceAccountToken,
            X509Certificate,
            Dynamic,
            ManagedCluster,
            Internal,
        ] {
            assert_eq!(serde_json::to_value(known).unwrap(), known.as_str());
        }
    }

    #[test]
    fn an_endpoint_shows_no_password() {
        let mut given = served();
        given["spec"]["endpoint"] = "https://admin:hunter2@10.0.0.1:6443".into();
        let read: VirtualCluster = serde_json::from_value(given).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), served());
    }

    #[test]
    fn names_are_those_of_the_group() {
        assert_eq!(VirtualCluster::api_version(&()), API_VERSION);
        assert_eq!(VirtualCluster::plural(&()), "virtualclusters");
        let crd = VirtualCluster::crd();
        insta::assert_json_snapshot!(crd.spec.versions[0].schema);
    }
}
