//! `ClusterGateway`: a cluster that the gateway can reach. It is virtual: the gateway computes it
//! and nothing stores it. A CRD must never be installed for it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClusterCredential, ClusterEndpoint};

/// How the gateway reaches the managed cluster.
#[derive(Clone, Debug, PartialEq, Eq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "cluster.core.oam.dev",
    version = "v1alpha1",
    kind = "ClusterGateway",
    doc = "ClusterGateway is a managed cluster that can be reached through the gateway, at the \
           proxy subresource of the object with its name. Computed, read-only, free of secrets.",
    status = "ClusterGatewayStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterGatewaySpec {
    /// Who provides the cluster, as the cluster itself claims (`platform.open-cluster-management.io`, or else
    /// `product.open-cluster-management.io`); empty if it claims nothing.
    #[serde(default)]
    pub provider: String,
    /// How the gateway reaches the cluster and logs in to it.
    pub access: ClusterAccess,
}

/// How the gateway reaches a cluster and logs in to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterAccess {
    /// Where the cluster's API server is.
    pub endpoint: ClusterEndpoint,
    /// What kind of credential the gateway logs in with; never the credential itself.
    pub credential: ClusterCredential,
}

/// What the last probe of the cluster found; absent where none was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterGatewayStatus {
    /// Whether the cluster answered the last probe.
    #[serde(default)]
    pub healthy: bool,
    /// Why the last probe failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub healthy_reason: String,
    /// What the account that the gateway logs in with may do on the cluster beyond impersonating callers, in
    /// words, the most powerful first; at most 4. Absent if that is not known, and where callers may act as
    /// that account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excess_rights: Option<Vec<String>>,
    /// Version of the cluster's API server, as the cluster reports it to the hub.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kubernetes_version: String,
    /// When the gateway stopped reaching the cluster. Absent while it reaches the cluster, and if it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_time: Option<Time>,
    /// Condition Ready: the gateway reaches the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl ClusterGatewayStatus {
    /// A cluster that cannot be reached, for this reason.
    pub fn unhealthy(reason: String) -> Self {
        Self {
            healthy_reason: reason,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster_core::{API_VERSION, ConstEndpoint, CredentialType, EndpointType};
    use k8s_openapi::ByteString;
    use kube::{CustomResourceExt, Resource};
    use serde_json::{Value, json};

    /// A response of cluster-gateway for a Secret with a token.
    fn from_cluster_gateway() -> Value {
        json!({
            "kind": "ClusterGateway",
            "apiVersion": "cluster.core.oam.dev/v1alpha1",
            "metadata": { "name": "managed1", "creationTimestamp": "2024-05-01T10:00:00Z" },
            "spec": {
                "provider": "",
                "access": {
                    "endpoint": {
                        "type": "Const",
                        "const": {
                            "address": "https://10.0.0.1:6443",
                            "caBundle": "Y2E=",
                            "insecure": false,
                            "proxy-url": "http://user:secret@proxy:3128",
                        },
                    },
                    "credential": {
                        "type": "ServiceAccountToken",
                        "serviceAccountToken": "ey.secret",
                    },
                },
            },
            "status": { "healthy": false, "healthyReason": "ConnectionTimeout" },
        })
    }

    #[test]
    fn reads_what_cluster_gateway_serves_and_writes_it_back_without_secrets() {
        let gateway: ClusterGateway = serde_json::from_value(from_cluster_gateway()).unwrap();
        let mut expected = from_cluster_gateway();
        let access = &mut expected["spec"]["access"];
        access["endpoint"]["const"]["proxy-url"] = "http://proxy:3128".into();
        access["credential"]["serviceAccountToken"] = "REDACTED".into();
        assert_eq!(serde_json::to_value(&gateway).unwrap(), expected);
        assert!(!format!("{gateway:?}").contains("secret"));
    }

    #[test]
    fn reads_the_least_that_cluster_gateway_serves() {
        let gateway: ClusterGateway = serde_json::from_value(json!({
            "kind": "ClusterGateway",
            "apiVersion": "cluster.core.oam.dev/v1alpha1",
            "metadata": { "name": "managed1", "creationTimestamp": null },
            "spec": {
                "provider": "",
                "access": {
                    "endpoint": { "type": "ClusterProxy" },
                    "credential": { "type": "X509Certificate", "x509": { "certificate": "", "privateKey": "" } },
                },
            },
            "status": {},
        }))
        .unwrap();
        assert_eq!(
            gateway.spec.access.endpoint.endpoint_type,
            EndpointType::ClusterProxy
        );
        assert_eq!(gateway.status, Some(ClusterGatewayStatus::default()));
    }

    #[test]
    fn serves_exact_names() {
        let mut gateway = ClusterGateway::new(
            "managed1",
            ClusterGatewaySpec {
                provider: String::new(),
                access: ClusterAccess {
                    endpoint: ClusterEndpoint {
                        endpoint_type: EndpointType::Const,
                        constant: Some(ConstEndpoint {
                            address: "https://10.0.0.1:6443".into(),
                            ca_bundle: Some(ByteString(b"ca".into())),
                            insecure: None,
                            proxy_url: Some("http://proxy:3128".into()),
                        }),
                    },
                    credential: CredentialType::ServiceAccountToken.into(),
                },
            },
        );
        gateway.status = Some(ClusterGatewayStatus {
            healthy: true,
            ..Default::default()
        });
        insta::assert_json_snapshot!(gateway);
    }

    #[test]
    fn schema_explains_every_field() {
        let crd = ClusterGateway::crd();
        insta::assert_json_snapshot!(crd.spec.versions[0].schema);
    }

    #[test]
    fn names_are_those_of_the_group() {
        assert_eq!(ClusterGateway::api_version(&()), API_VERSION);
        assert_eq!(ClusterGateway::plural(&()), "clustergateways");
    }
}
