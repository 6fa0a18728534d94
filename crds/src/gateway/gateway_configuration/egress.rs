//! How the gateway reaches managed clusters, and how their agents reach the hub.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the gateway reaches managed clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Egress {
    /// The route to a cluster. Auto: through the tunnel of the cluster's agent if one is connected, or else at the
    /// addresses in its `ManagedCluster`, if spec.egress.addresses allows them. Tunnel: only through the tunnel.
    /// Direct: only at addresses that spec.egress.addresses allows. Defaults to Auto.
    #[serde(rename = "type")]
    pub kind: EgressType,
    /// Ranges of IP addresses, e.g. 10.0.0.0/8, in which the addresses of a `ManagedCluster` may be. Defaults
    /// to none, and then none of these addresses is used, because clusters themselves can change them.
    /// Loopback and link-local addresses need a range of their own. Also required for type Direct.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(max = 49), regex(pattern = "^[0-9a-f.:]+(/[0-9]{1,3})?$"))
    )]
    pub addresses: Vec<String>,
    /// Where agents connect to open their tunnels. For tokens and leases they always use the hub's API
    /// server.
    pub entrypoint: Entrypoint,
    /// Services on managed clusters that callers may reach in addition to the API servers. Defaults to none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub exposed_services: Vec<ExposedService>,
}

/// The route to a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EgressType {
    /// Through the tunnel of the cluster's agent if one is connected, or else at the addresses in its
    /// `ManagedCluster`, if spec.egress.addresses allows them.
    #[default]
    Auto,
    /// Only through the tunnel of the cluster's agent.
    Tunnel,
    /// Only at the addresses in its `ManagedCluster` that spec.egress.addresses allows.
    Direct,
}

impl Egress {
    /// The exposed services whose protocol the gateway speaks.
    pub fn spoken(&self) -> impl Iterator<Item = &ExposedService> {
        let services = self.exposed_services.iter();
        services.filter(|service| service.protocol == Protocol::Http)
    }

    /// The first service that is not exposed, because the gateway does not speak its protocol.
    pub fn unspoken(&self) -> Option<&ExposedService> {
        let mut services = self.exposed_services.iter();
        services.find(|service| service.protocol != Protocol::Http)
    }
}

/// Where agents connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.type != 'Hostname' || has(self.hostname)",
    "message": "an entrypoint of type Hostname needs spec.egress.entrypoint.hostname, the name that agents dial",
}]))]
pub struct Entrypoint {
    /// Where agents connect. `HubAPI`: at the hub's API server; you do not have to expose anything.
    /// `LoadBalancer`: at a load balancer that the operator creates, with mutual TLS. Hostname: at a host name that
    /// you point at the gateway, with mutual TLS. Defaults to `HubAPI`.
    #[serde(rename = "type")]
    pub kind: EntrypointType,
    /// Host name or IPv4 address that agents dial; required if the type is Hostname. You have to forward
    /// TCP connections to it, without ending TLS, to port 9444 (`tunnel`) of the gateway's Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub hostname: Option<String>,
    /// Port that agents dial. Defaults to 443.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// The load balancer to use if the type is `LoadBalancer`.
    pub load_balancer: LoadBalancer,
}

/// Where agents connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EntrypointType {
    /// At the hub's API server. You do not have to expose anything.
    #[default]
    #[serde(rename = "HubAPI")]
    HubApi,
    /// At a load balancer that the operator creates, with mutual TLS. Until it has an address, agents
    /// connect at the hub's API server.
    LoadBalancer,
    /// At a host name that you point at the gateway, with mutual TLS.
    Hostname,
}

/// The load balancer that agents connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancer {
    /// Annotations of its Service. Cloud providers read their settings from them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A Service on managed clusters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.protocol) || self.protocol != 'HTTPS'",
    "message": "the gateway speaks HTTP without TLS to services, so HTTPS does not work yet: name a port of the Service that serves plain HTTP",
}]))]
pub struct ExposedService {
    /// Namespace of the Service.
    #[schemars(regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// Name of the Service.
    #[schemars(regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Port of the Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Protocol of the port. HTTP: without TLS. HTTPS: is refused, because the gateway does not speak it to
    /// services yet. Defaults to HTTP.
    #[serde(default)]
    pub protocol: Protocol,
}

/// Protocol of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// HTTP without TLS.
    #[default]
    #[serde(rename = "HTTP")]
    Http,
    /// HTTP over TLS. The gateway does not speak it to services yet, so it is refused.
    #[serde(rename = "HTTPS")]
    Https,
}
