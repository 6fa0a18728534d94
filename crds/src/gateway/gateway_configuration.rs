//! `GatewayConfiguration`: the one object that turns the gateway on and says how.

mod egress;
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
    egress::{
        Egress, EgressType, Entrypoint, EntrypointType, ExposedService, LoadBalancer, Protocol,
    },
    server::{ExternalServer, NodePlacement, Server, ServerDeployment},
};
use super::{SINGLETON, status::GatewayConfigurationStatus};

const DEFAULT_VALIDITY: &str = "24h";
const DEFAULT_ACCOUNT: &str = "cluster-gateway";

/// What the gateway is to be. All of it has a default; an empty spec makes every accepted managed
/// cluster reachable.
#[derive(Clone, Debug, Default, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "gateway.open-cluster-management.io",
    version = "v1alpha1",
    kind = "GatewayConfiguration",
    doc = "GatewayConfiguration makes managed clusters reachable from the hub. There is one on a hub, \
           with the name default.",
    status = "GatewayConfigurationStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name": "Available", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Available\")].status", "description": "Whether the hub serves the gateway's API"}"#,
    printcolumn = r#"{"name": "Degraded", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Degraded\")].status", "description": "Whether something is wrong"}"#,
    printcolumn = r#"{"name": "Clusters", "type": "integer", "jsonPath": ".status.clusters.total", "description": "Clusters that are selected"}"#,
    printcolumn = r#"{"name": "Connected", "type": "integer", "jsonPath": ".status.clusters.connected", "description": "Clusters that the gateway has a way to"}"#,
    printcolumn = r#"{"name": "Ready", "type": "integer", "jsonPath": ".status.clusters.ready", "description": "Clusters whose add-ons are available, too"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Degraded\")].message", "description": "What is wrong", "priority": 1}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": "How old the configuration is"}"#
)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.server.deployment != 'External' || self.egress.entrypoint.type != 'LoadBalancer'",
    "message": "an External server gets no load balancer: lead a name to it, and say spec.egress.entrypoint {type: Hostname, hostname}",
}]))]
pub struct GatewayConfigurationSpec {
    /// Which clusters are made reachable: every accepted `ManagedCluster` where nothing is said.
    pub clusters: Clusters,
    /// The gateway's server on the hub.
    pub server: Server,
    /// How managed clusters are reached.
    pub egress: Egress,
    /// Whom the gateway logs in as on managed clusters.
    pub credentials: Credentials,
    /// Whom a caller acts as on a managed cluster.
    pub identity: Identity,
    /// What may be granted by `AccessGrant`s.
    pub access: Access,
    /// What callers may ask of the gateway at most.
    pub limits: Limits,
}

/// What may be granted by `AccessGrant`s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Access {
    /// What may be granted at most, whoever grants it: on each cluster what any of these allows that
    /// selects it. Without any, there is no such bound.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub caps: Vec<AccessCap>,
}

/// What may be granted at most on some clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessCap {
    /// By labels of the `ManagedCluster`: every cluster where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// `ClusterRole`s that may be granted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub cluster_roles: Vec<String>,
    /// Whether a grant may bring rules of its own.
    pub rules: bool,
}

/// A choice of clusters. With both, a cluster has to be chosen by both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Clusters {
    /// By labels of the `ManagedCluster`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// By decisions of placements: those that any of these has chosen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub placements: Vec<PlacementReference>,
}

/// A placement of Open Cluster Management.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacementReference {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Whom the gateway logs in as on managed clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Credentials {
    /// Where credentials come from.
    #[serde(rename = "type")]
    pub kind: CredentialsType,
    /// The account, where they come from a `ManagedServiceAccount`.
    pub managed_service_account: AccountReference,
}

/// Where the gateway's credentials come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CredentialsType {
    /// From a `ManagedServiceAccount` in each cluster's namespace, made and renewed without hands.
    #[default]
    ManagedServiceAccount,
    /// From Secrets that somebody writes.
    Manual,
}

/// The account that the gateway has on each managed cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountReference {
    /// Name of the `ManagedServiceAccount`.
    #[schemars(length(max = 63), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The lifetime that its tokens are asked for.
    #[schemars(schema_with = "validity")]
    pub validity: String,
}

/// Whom a caller acts as on a managed cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Identity {
    /// As itself, where it was granted something there; else as the gateway's account.
    #[default]
    Impersonate,
    /// As the gateway's account.
    ServiceAccount,
}

/// What callers may ask of the gateway at most; no limit where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Seconds that a managed cluster may take to begin its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub request_timeout: Option<i32>,
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
            "message": "must be at least 10m, which is what API servers issue at least",
        }],
    })
}

/// The definition, with what the schema of a field cannot say.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = GatewayConfiguration::crd();
    let only = ValidationRule {
        rule: format!("self.metadata.name == '{SINGLETON}'"),
        message: Some(format!(
            "there is one GatewayConfiguration on a hub: name it {SINGLETON}"
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

    /// A field that nothing carries out promises what it does not keep. Each comes with its code.
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
        assert!(!fields(&["server"]).contains(&"directAccess".to_owned()));
        assert_eq!(fields(&["limits"]), ["requestTimeout"]);
    }

    #[test]
    fn words_are_those_of_the_documents() {
        let spec: GatewayConfigurationSpec = serde_json::from_value(json!({
            "server": {"deployment": "External", "external": {"caBundle": "Y2E="}},
            "egress": {"type": "Tunnel", "entrypoint": {"type": "HubAPI"}},
            "credentials": {"type": "Manual"},
            "identity": "ServiceAccount",
        }))
        .unwrap();
        assert_eq!(spec.egress.kind, EgressType::Tunnel);
        assert_eq!(spec.credentials.kind, CredentialsType::Manual);
        let external = spec.server.external.unwrap();
        assert_eq!((external.service.as_str(), external.port), ("gateway", 443));
    }
}
