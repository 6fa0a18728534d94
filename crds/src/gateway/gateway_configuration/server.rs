//! The gateway server on the hub.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    ByteString,
    api::core::v1::{ResourceRequirements, Toleration},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::agents::SecretReference;
use crate::go_duration;

const DEFAULT_NAMESPACE: &str = "spokeway-system";
const DEFAULT_OUTAGE: &str = "5m";

/// The gateway server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.deployment != 'External' || has(self.external)",
        "message": "an External server needs spec.server.external, with its Service and the caBundle of its certificate",
    },
    {
        "rule": "!has(self.__namespace__) || self.__namespace__ != 'open-cluster-management-credentials'",
        "message": "the server reads every Secret in open-cluster-management-credentials, so its own keys must be elsewhere: choose another spec.server.namespace",
    },
]))]
pub struct Server {
    /// Who runs the server. Managed: the operator. External: you; the operator only registers it at the hub's API
    /// server. Defaults to Managed.
    pub deployment: ServerDeployment,
    /// Namespace of the server and its Service. Defaults to spokeway-system. If you change it, the operator
    /// removes what it has in the earlier one first, so the gateway is away until it is ready in the new one.
    /// The operator needs the Role spokeway-operator in both.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// Number of replicas. Defaults to 2. Each of them serves every cluster. Agents keep a tunnel to each
    /// of them, up to 4; with more, a request may take one hop more, through another replica.
    #[schemars(range(min = 1, max = 32))]
    pub replicas: i32,
    /// Container image. Defaults to the image of the operator's release. Another one is used only if the flag
    /// --allow-gateway-images of the operator names its repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Secrets in spec.server.namespace with which the image is pulled. Defaults to none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Vec<SecretReference>,
    /// How long the hub keeps the gateway's `APIService` while no gateway answers, e.g. 5m or 1h30m. During
    /// this time requests for managed clusters get 503, discovery of the hub reports an error, and no namespace
    /// of the hub can be deleted. After this time the `APIService` is removed until a gateway answers, and
    /// requests for managed clusters get 404, which controllers may take for deletions. Defaults to 5m.
    #[schemars(schema_with = "outage")]
    pub withdraw_after: String,
    /// Whether callers may come to the server without the hub's API server.
    pub direct_access: DirectAccess,
    /// Compute resources of the container. Defaults to requests of 100m CPU and 128Mi of memory, and a limit
    /// of 4Gi of memory. The gateway uses up to two thirds of the limit for data in flight through tunnels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// The nodes that the server may run on. Defaults to any node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_placement: Option<NodePlacement>,
    /// Where to find a server that the operator does not run; required if the deployment is External. If
    /// the entrypoint has type Hostname, the certificate of the server must also name that host, and the
    /// server needs --tunnel-port, and --tunnel-client-ca-file with the key ca.crt of the Secret
    /// spokeway-tunnel-clients, which the operator keeps in spec.server.namespace. Mount the Secret, because
    /// its content changes when a certificate authority is rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalServer>,
}

/// Whether callers may come to the server without the hub's API server, and at which address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DirectAccess {
    /// If it is true, callers may come straight to the Service of the server, with a client certificate that
    /// the hub's client CA has issued or with a bearer token that the hub accepts. The hub's RBAC decides as
    /// it does for all other requests. An External server needs the flag --direct-access. Defaults to false.
    pub enabled: bool,
    /// Name or IP address under which callers outside the hub reach the server. The certificate of the server
    /// names it. Nothing is exposed by this field: lead the name to the Service yourself. Defaults to the name
    /// of the Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub hostname: Option<String>,
    /// Port at that name. Defaults to 443.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

impl Default for DirectAccess {
    fn default() -> Self {
        Self {
            enabled: false,
            hostname: None,
            port: port(),
        }
    }
}

impl Server {
    /// The host and the port at which callers come straight to the server, if they may.
    pub fn direct_address(&self) -> Option<(String, i32)> {
        let DirectAccess {
            enabled,
            hostname,
            port,
        } = &self.direct_access;
        let service = self
            .external
            .as_ref()
            .map_or_else(service, |it| it.service.clone());
        let host = hostname.clone();
        let host = host.unwrap_or_else(|| format!("{service}.{}.svc", self.namespace));
        enabled.then_some((host, *port))
    }
}

/// Who runs the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServerDeployment {
    /// The operator runs the server.
    #[default]
    Managed,
    /// You run the server. The operator only registers it at the hub's API server.
    External,
}

/// A server that the operator does not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalServer {
    /// Name of its Service in spec.server.namespace. Defaults to gateway.
    #[serde(default = "service")]
    pub service: String,
    /// Port of the Service. Defaults to 443.
    #[serde(default = "port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// PEM bundle of the certificate authorities that verify its certificate, in base64.
    #[schemars(schema_with = "crate::schema::bytes")]
    pub ca_bundle: ByteString,
}

/// The nodes that pods may run on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodePlacement {
    /// Labels that a node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the pods tolerate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            deployment: ServerDeployment::default(),
            namespace: DEFAULT_NAMESPACE.to_owned(),
            replicas: 2,
            withdraw_after: DEFAULT_OUTAGE.to_owned(),
            direct_access: DirectAccess::default(),
            image: None,
            image_pull_secrets: Vec::new(),
            resources: None,
            node_placement: None,
            external: None,
        }
    }
}

impl Server {
    /// How long the hub keeps the gateway's API while no gateway answers.
    pub fn longest_outage(&self) -> Duration {
        let parsed = go_duration::parse(&self.withdraw_after);
        parsed.unwrap_or(Duration::from_mins(5))
    }
}

fn outage(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 64,
        "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$",
        "x-kubernetes-validations": [{
            "rule": "duration(self) >= duration('10s')",
            "message": "must be at least 10s, because a gateway that restarts is away for a moment",
        }],
    })
}

fn service() -> String {
    "gateway".to_owned()
}

fn port() -> i32 {
    443
}
