//! How managed clusters are reached, and how their agents reach the hub.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How managed clusters are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Egress {
    /// The way to a cluster.
    #[serde(rename = "type")]
    pub kind: EgressType,
    /// How agents reach the hub for their tunnels. Tokens and leases go by way of the hub's API server,
    /// whatever is said here.
    pub entrypoint: Entrypoint,
    /// Services of managed clusters that may be reached besides their API servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub exposed_services: Vec<ExposedService>,
}

/// The way to a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EgressType {
    /// Through the tunnel of its agent while one is attached, else at the addresses that its
    /// `ManagedCluster` names.
    #[default]
    Auto,
    /// Through the tunnel of its agent only.
    Tunnel,
    /// At the addresses that its `ManagedCluster` names only.
    Direct,
}

/// How agents reach the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.type != 'Hostname' || has(self.hostname)",
    "message": "an entrypoint of type Hostname needs spec.egress.entrypoint.hostname, the name that agents dial",
}]))]
pub struct Entrypoint {
    /// Where agents attach.
    #[serde(rename = "type")]
    pub kind: EntrypointType,
    /// The name or IPv4 address that agents dial, for type Hostname. Somebody leads it to the port 9444,
    /// `tunnel`, of the gateway's Service, TCP as it comes: TLS ends at the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub hostname: Option<String>,
    /// The port that agents dial; 443 where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// The load balancer, for type `LoadBalancer`.
    pub load_balancer: LoadBalancer,
}

/// Where agents attach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EntrypointType {
    /// At the hub's API server: nothing is to be exposed.
    #[default]
    #[serde(rename = "HubAPI")]
    HubApi,
    /// At a load balancer of the gateway's own, by mutual TLS. While it has no address, agents attach at
    /// the hub's API server.
    LoadBalancer,
    /// At a name that somebody leads to the gateway, by mutual TLS.
    Hostname,
}

/// The load balancer that agents attach at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancer {
    /// Annotations of its Service, for the cloud that makes it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A service of managed clusters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExposedService {
    /// Its namespace.
    #[schemars(regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// Its name.
    #[schemars(regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Its port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// What it speaks.
    #[serde(default)]
    pub protocol: Protocol,
}

/// What a service speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// HTTP without TLS.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// HTTP over TLS.
    #[serde(rename = "HTTPS")]
    Https,
}
