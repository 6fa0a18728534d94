//! The address of a cluster's API server, as `ClusterGateway.spec.access.endpoint` shows it.

use std::{fmt, str::FromStr};

use k8s_openapi::ByteString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PublicUrl;

/// How the gateway reaches a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum EndpointType {
    /// At an address that the gateway can dial.
    Const,
    /// Through a tunnel that the cluster opened.
    ClusterProxy,
}

impl EndpointType {
    /// The name in JSON and in the label
    /// [`ENDPOINT_TYPE_LABEL`](super::secret::ENDPOINT_TYPE_LABEL).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Const => "Const",
            Self::ClusterProxy => "ClusterProxy",
        }
    }
}

impl fmt::Display for EndpointType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EndpointType {
    type Err = UnknownEndpointType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Const, Self::ClusterProxy]
            .into_iter()
            .find(|known| known.as_str() == name)
            .ok_or_else(|| UnknownEndpointType(name.to_owned()))
    }
}

/// The name is not an [`EndpointType`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown endpoint type {0:?}, expected Const or ClusterProxy")]
pub struct UnknownEndpointType(pub String);

/// How the gateway reaches the API server of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterEndpoint {
    /// `Const`: at the address below. `ClusterProxy`: through a tunnel that the cluster opened.
    #[serde(rename = "type")]
    pub endpoint_type: EndpointType,
    /// Address of the cluster's API server; present when the type is `Const`.
    #[serde(rename = "const", default, skip_serializing_if = "Option::is_none")]
    pub constant: Option<ConstEndpoint>,
}

/// An address that the gateway can dial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConstEndpoint {
    /// URL of the API server, such as `https://10.0.0.1:6443`.
    pub address: PublicUrl,
    /// PEM bundle that the API server's certificate is verified with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::bytes")]
    pub ca_bundle: Option<ByteString>,
    /// Whether the API server's certificate is not verified. Never true unless asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insecure: Option<bool>,
    /// URL of the proxy that the address is reached through, without its user information.
    #[serde(rename = "proxy-url", default, skip_serializing_if = "Option::is_none")]
    pub proxy_url: Option<PublicUrl>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for known in [EndpointType::Const, EndpointType::ClusterProxy] {
            assert_eq!(known.to_string().parse(), Ok(known));
        }
        assert_eq!(
            "const".parse::<EndpointType>().unwrap_err().to_string(),
            r#"unknown endpoint type "const", expected Const or ClusterProxy"#
        );
    }
}
