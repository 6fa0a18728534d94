//! The gateway's server on the hub.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::{ResourceRequirements, Toleration},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const DEFAULT_NAMESPACE: &str = "spokeway-system";

/// The gateway's server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.deployment != 'External' || has(self.external)",
    "message": "an External server needs spec.server.external: its Service, and the caBundle of its certificate",
}]))]
pub struct Server {
    /// Who runs it.
    pub deployment: ServerDeployment,
    /// Where its Service is, and where it runs.
    #[schemars(length(min = 1, max = 63))]
    pub namespace: String,
    /// How many of it run.
    #[schemars(range(min = 1, max = 32))]
    pub replicas: i32,
    /// Its image; that of the operator's release where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What it is given to run with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// On which nodes it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_placement: Option<NodePlacement>,
    /// Where the server is that something else runs. With an entrypoint of type Hostname it needs a
    /// certificate that names the hostname, too, --tunnel-port, and --tunnel-client-ca-file with the key
    /// ca.crt of the Secret spokeway-tunnel-clients, which the operator keeps in spec.server.namespace.
    /// Mount that: it changes when authorities do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalServer>,
}

/// Who runs the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServerDeployment {
    /// The operator.
    #[default]
    Managed,
    /// Something else; the operator registers it at the hub's API server.
    External,
}

/// A server that something else runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalServer {
    /// Name of its Service in spec.server.namespace.
    #[serde(default = "service")]
    pub service: String,
    /// Port of the Service.
    #[serde(default = "port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// PEM bundle that its certificate is verified with.
    #[schemars(schema_with = "crate::schema::bytes")]
    pub ca_bundle: ByteString,
}

/// On which nodes something runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodePlacement {
    /// Labels that a node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that do not matter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            deployment: ServerDeployment::default(),
            namespace: DEFAULT_NAMESPACE.to_owned(),
            replicas: 2,
            image: None,
            resources: None,
            node_placement: None,
            external: None,
        }
    }
}

fn service() -> String {
    "gateway".to_owned()
}

fn port() -> i32 {
    443
}
