//! `AddOnDeploymentConfig`: how an add-on's agent is to be deployed. Both versions are alike.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use serde::{Deserialize, Serialize};

/// How an agent is to be deployed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AddOnDeploymentConfigSpec {
    /// Names and values that mean something to the add-on.
    pub customized_variables: Vec<CustomizedVariable>,
    /// On which nodes it runs.
    pub node_placement: Option<NodePlacement>,
    /// Where its images come from instead.
    pub registries: Vec<ImageMirror>,
    /// The way out of the cluster.
    pub proxy_config: ProxyConfig,
    /// Namespace that it is installed in.
    pub agent_install_namespace: String,
    /// What its containers are given.
    pub resource_requirements: Vec<ContainerResources>,
}

/// A name and a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomizedVariable {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// On which nodes an agent runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodePlacement {
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that do not matter.
    pub tolerations: Vec<Toleration>,
}

/// A registry that stands for another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageMirror {
    /// Where images come from.
    pub mirror: String,
    /// What their names begin with; all images where empty.
    pub source: String,
}

/// The way out of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyConfig {
    /// Proxy of plain requests.
    #[serde(rename = "httpProxy")]
    pub http: String,
    /// Proxy of requests over TLS.
    #[serde(rename = "httpsProxy")]
    pub https: String,
    /// What goes past it.
    pub no_proxy: String,
}

/// What a container is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerResources {
    /// Kind, object and container, as `deployments:name:container`; each may be `*`.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// Its requests and limits.
    pub resources: ResourceRequirements,
}
