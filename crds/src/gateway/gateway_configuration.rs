//! `GatewayConfiguration`: the one object that turns on the gateway and configures it.

mod agents;
mod egress;
mod identity;
mod server;

use k8s_openapi::{
    apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        CustomResourceDefinition, ValidationRule,
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{CustomResource, CustomResourceExt as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use self::{
    agents::{Agents, SecretReference},
    egress::{
        Egress, EgressType, Entrypoint, EntrypointType, ExposedService, LoadBalancer, Protocol,
    },
    identity::{Fallback, Identity, IdentityType},
    server::{DirectAccess, ExternalServer, NodePlacement, Server, ServerDeployment},
};
use super::{SINGLETON, status::GatewayConfigurationStatus};

const DEFAULT_VALIDITY: &str = "24h";
const DEFAULT_ACCOUNT: &str = "cluster-gateway";

/// How the gateway is set up. Every field has a default. An empty spec makes all accepted managed
/// clusters reachable.
#[derive(Clone, Debug, Default, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "gateway.open-cluster-management.io",
    version = "v1alpha1",
    category = "spokeway",
    kind = "GatewayConfiguration",
    doc = "GatewayConfiguration makes managed clusters reachable from the hub. A hub has one, and its \
           name is default.",
    status = "GatewayConfigurationStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name": "Available", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Available\")].status", "description": "Whether the hub serves the gateway's API"}"#,
    printcolumn = r#"{"name": "Degraded", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Degraded\")].status", "description": "Whether something is wrong"}"#,
    printcolumn = r#"{"name": "Clusters", "type": "integer", "jsonPath": ".status.clusters.total", "description": "Number of selected clusters"}"#,
    printcolumn = r#"{"name": "Connected", "type": "integer", "jsonPath": ".status.clusters.connected", "description": "Number of selected clusters that the gateway can reach"}"#,
    printcolumn = r#"{"name": "Ready", "type": "integer", "jsonPath": ".status.clusters.ready", "description": "Number of connected clusters whose add-ons are available"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Degraded\")].message", "description": "What is wrong", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "Time since the configuration was created"}"#
)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.server.deployment != 'External' || self.egress.entrypoint.type != 'LoadBalancer'",
    "message": "the operator makes no load balancer for an External server: expose the server yourself, and set spec.egress.entrypoint to {type: Hostname, hostname: NAME}",
}]))]
pub struct GatewayConfigurationSpec {
    /// The clusters that the gateway serves. If this is empty, it serves every accepted `ManagedCluster`.
    pub clusters: Clusters,
    /// The gateway server on the hub.
    pub server: Server,
    /// The agents on the managed clusters.
    pub agents: Agents,
    /// How the gateway reaches managed clusters.
    pub egress: Egress,
    /// The credential that the gateway uses on managed clusters.
    pub credentials: Credentials,
    /// The identity that a caller has on a managed cluster.
    pub identity: Identity,
    /// The rights that `AccessGrant`s may give.
    pub access: Access,
    /// Limits on requests to managed clusters.
    pub limits: Limits,
}

/// The rights that `AccessGrant`s may give.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Access {
    /// The most that may be granted, no matter who grants it. A right may be granted on a cluster if one
    /// of the caps that select the cluster allows it. If there are no caps, every right may be granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub caps: Vec<AccessCap>,
    /// Whether the hub's RBAC also decides what callers may do inside managed clusters.
    pub inner_authorization: InnerAuthorization,
}

/// Whether the hub's RBAC also decides what callers may do inside managed clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct InnerAuthorization {
    /// If it is true, a request to a managed cluster needs, besides the right to use
    /// `clustergateways/proxy`, its own verb on `clustergateways/RESOURCE[.GROUP][/SUBRESOURCE]`, for
    /// example create on `clustergateways/pods/exec`. Discovery needs no right. Defaults to false.
    pub enabled: bool,
}

/// The most that may be granted on some clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessCap {
    /// Selects clusters by the labels of their `ManagedCluster`. Defaults to every cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::selector")]
    pub selector: Option<LabelSelector>,
    /// Names of the `ClusterRole`s that may be granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub cluster_roles: Vec<String>,
    /// Whether a grant may have its own rules, in spec.role.rules. Defaults to false.
    pub rules: bool,
}

/// A selection of clusters. If both fields are set, only clusters that match both are selected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Clusters {
    /// Selects clusters by the labels of their `ManagedCluster`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::selector")]
    pub selector: Option<LabelSelector>,
    /// Selects the clusters in the decisions of any of these placements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub placements: Vec<PlacementReference>,
    /// How many clusters may be removed at once without a confirmation.
    pub removals: Removals,
}

/// How many clusters may be removed at once because the configuration no longer selects them. If their
/// number exceeds both limits, they stay until the removal is confirmed. The condition `RemovalsConfirmed`
/// says how to confirm it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Removals {
    /// Number of clusters that may be removed at once. Defaults to 2.
    #[schemars(range(min = 0))]
    pub max_clusters: i32,
    /// Percentage of the enrolled clusters that may be removed at once. Defaults to 10. With 100, no removal
    /// needs a confirmation.
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: i32,
}

/// A reference to a Placement of Open Cluster Management.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacementReference {
    /// Namespace of the placement.
    pub namespace: String,
    /// Name of the placement.
    pub name: String,
}

/// The credential that the gateway uses on managed clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Credentials {
    /// Where credentials come from. `ManagedServiceAccount`: from a `ManagedServiceAccount` in each cluster's
    /// namespace, created and renewed automatically. Manual: from Secrets that you create. Defaults to
    /// `ManagedServiceAccount`.
    #[serde(rename = "type")]
    pub kind: CredentialsType,
    /// The account to use if the type is `ManagedServiceAccount`.
    pub managed_service_account: AccountReference,
}

/// Where the gateway's credentials come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CredentialsType {
    /// From a `ManagedServiceAccount` in each cluster's namespace, created and renewed automatically.
    #[default]
    ManagedServiceAccount,
    /// From Secrets that you create.
    Manual,
}

/// The account that the gateway has on each managed cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountReference {
    /// Name of the `ManagedServiceAccount`. Defaults to cluster-gateway.
    #[schemars(length(max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Lifetime of its tokens, e.g. 24h or 1h30m; at least 10m. Defaults to 24h. The managed cluster may
    /// issue tokens with a shorter lifetime.
    #[schemars(schema_with = "validity")]
    pub validity: String,
}

/// Limits on requests to managed clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Number of seconds that a managed cluster may take to begin its answer. If it takes longer, the
    /// gateway answers with 504. Defaults to the server's own value, see gateway-server --help.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub request_timeout: Option<i32>,
    /// Memory in MiB that data in flight through the tunnels of one managed cluster may take at one replica.
    /// An upgraded connection (exec, attach, cp, port-forward) through a tunnel counts as 640 KiB, and all of
    /// them together may take two thirds of it. Defaults to the server's own value, see gateway-server --help.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8, max = 65536))]
    pub tunnel_memory: Option<i32>,
    /// Number of requests that one user may have open at one managed cluster, watches and logs included.
    /// Defaults to the server's own value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub requests_per_user: Option<i32>,
    /// Number of watches and logs that all users together may have open at one managed cluster. Defaults to
    /// the server's own value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub long_requests: Option<i32>,
    /// Number of upgraded connections that one user may have open at one managed cluster. Defaults to the
    /// server's own value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub upgrades_per_user: Option<i32>,
    /// Number of upgraded connections that all users together may have open at one managed cluster. Defaults
    /// to the server's own value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub upgrades: Option<i32>,
    /// Number of short requests (all but watches, logs, upgrades and requests to services) of one user that a
    /// managed cluster works on, each until its answer begins. More of them wait for their turn. Defaults to the
    /// server's own value, as all further limits do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub short_requests_per_user: Option<i32>,
    /// Number of short requests of all users together that a managed cluster works on. More of them wait, and
    /// users take turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub short_requests: Option<i32>,
    /// Number of short requests of all users that all managed clusters together work on, at one replica. More of
    /// them wait, and users of clusters take turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub short_requests_total: Option<i32>,
    /// Number of short requests of one user that may wait at one managed cluster. With 0, none waits there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub queued_requests_per_user: Option<i32>,
    /// Number of short requests that may wait in all, at one replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub queued_requests: Option<i32>,
    /// Number of seconds that a short request waits for its turn before it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub queue_timeout: Option<i32>,
    /// Number of short requests that one user may begin in a second at one managed cluster, on average. 0 turns
    /// the limit off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub requests_per_second_per_user: Option<i32>,
    /// Number of short requests that one user may begin at once at one managed cluster, if it has begun none for
    /// some time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub request_burst_per_user: Option<i32>,
    /// Number of short requests that all users together may begin in a second at one managed cluster, on average.
    /// 0 turns the limit off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub requests_per_second: Option<i32>,
    /// Number of short requests that all users together may begin at once at one managed cluster, if none was
    /// begun for some time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub request_burst: Option<i32>,
    /// Number of attempts in a row to connect to a managed cluster that may fail within a minute. After that,
    /// requests to it are refused at once, and one at a time is let through as a probe. 0 turns this off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub breaker_failures: Option<i32>,
    /// Longest pause in seconds between two probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub breaker_pause: Option<i32>,
}

impl Default for Removals {
    fn default() -> Self {
        Self {
            max_clusters: 2,
            max_percent: 10,
        }
    }
}

impl Default for AccountReference {
    fn default() -> Self {
        Self {
            name: DEFAULT_ACCOUNT.to_owned(),
            validity: DEFAULT_VALIDITY.to_owned(),
        }
    }
}

fn validity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 64,
        "pattern": "^([0-9]+(\\.[0-9]+)?(ns|us|\u{b5}s|ms|s|m|h))+$",
        "x-kubernetes-validations": [{
            "rule": "duration(self) >= duration('10m')",
            "message": "must be at least 10m, because API servers issue no shorter tokens",
        }],
    })
}

/// The CRD. It has a rule on the name, which cannot be part of a field's schema.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = GatewayConfiguration::crd();
    let only = ValidationRule {
        rule: format!("self.metadata.name == '{SINGLETON}'"),
        message: Some(format!(
            "a hub has one GatewayConfiguration: name it {SINGLETON}"
        )),
        ..ValidationRule::default()
    };
    let schemas = crd.spec.versions.iter_mut();
    let schemas = schemas.filter_map(|version| version.schema.as_mut());
    for schema in schemas.filter_map(|schema| schema.open_api_v3_schema.as_mut()) {
        schema.x_kubernetes_validations = Some(vec![only.clone()]);
    }
    crd
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_spec_is_every_cluster_with_the_walkthroughs_account() {
        let spec: GatewayConfigurationSpec = serde_json::from_value(json!({})).unwrap();
        assert_eq!(spec, GatewayConfigurationSpec::default());
        assert_eq!(
            spec.credentials.managed_service_account.name,
            "cluster-gateway"
        );
        assert_eq!(spec.server.deployment, ServerDeployment::Managed);
        assert_eq!(spec.egress.kind, EgressType::Auto);
        assert_eq!(spec.egress.entrypoint.kind, EntrypointType::HubApi);
    }

    /// A field without an effect would be misleading. Each field is added together with its code.
    #[test]
    fn there_is_no_field_that_is_not_carried_out() {
        let crd = serde_json::to_value(crd()).unwrap();
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let fields = |path: &[&str]| {
            let parent = path.iter().fold(spec, |it, field| &it["properties"][field]);
            let fields = parent["properties"].as_object().unwrap();
            fields.keys().cloned().collect::<Vec<_>>()
        };
        assert!(!fields(&["egress"]).contains(&"konnectivity".to_owned()));
        let limits = [
            "breakerFailures",
            "breakerPause",
            "longRequests",
            "queueTimeout",
            "queuedRequests",
            "queuedRequestsPerUser",
            "requestBurst",
            "requestBurstPerUser",
            "requestTimeout",
            "requestsPerSecond",
            "requestsPerSecondPerUser",
            "requestsPerUser",
            "shortRequests",
            "shortRequestsPerUser",
            "shortRequestsTotal",
            "tunnelMemory",
            "upgrades",
            "upgradesPerUser",
        ];
        assert_eq!(fields(&["limits"]), limits);
    }

    #[test]
    fn words_are_those_of_the_documents() {
        let spec: GatewayConfigurationSpec = serde_json::from_value(json!({
            "server": {"deployment": "External", "external": {"caBundle": "Y2E="}},
            "egress": {"type": "Tunnel", "entrypoint": {"type": "HubAPI"}},
            "credentials": {"type": "Manual"},
            "identity": {"type": "ServiceAccount", "userPrefix": "", "fallback": "Deny"},
        }))
        .unwrap();
        assert_eq!(spec.egress.kind, EgressType::Tunnel);
        assert_eq!(spec.credentials.kind, CredentialsType::Manual);
        let external = spec.server.external.unwrap();
        assert_eq!((external.service.as_str(), external.port), ("gateway", 443));
    }
}
