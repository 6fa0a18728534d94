//! `AddOnDeploymentConfig`: how to deploy an add-on's agent. It is the same in both versions.

use std::collections::BTreeMap;

use k8s_openapi::{
    ByteString,
    api::core::v1::{ResourceRequirements, Toleration},
};
use serde::{Deserialize, Serialize};

/// How to deploy an agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AddOnDeploymentConfigSpec {
    /// Names and values that the add-on defines.
    pub customized_variables: Vec<CustomizedVariable>,
    /// The nodes that the agent may run on.
    pub node_placement: Option<NodePlacement>,
    /// Mirrors for its images.
    pub registries: Vec<ImageMirror>,
    /// The proxy for connections out of the cluster.
    pub proxy_config: ProxyConfig,
    /// The namespace that the agent is installed in.
    pub agent_install_namespace: String,
    /// Compute resources of its containers.
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

/// The nodes that an agent may run on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodePlacement {
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints that the agent tolerates.
    pub tolerations: Vec<Toleration>,
}

/// A registry that replaces another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageMirror {
    /// The prefix to use instead.
    pub mirror: String,
    /// The prefix to replace. Empty stands for all images.
    pub source: String,
}

/// The proxy for connections out of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProxyConfig {
    /// The proxy for HTTP requests.
    #[serde(rename = "httpProxy")]
    pub http: String,
    /// The proxy for HTTPS requests.
    #[serde(rename = "httpsProxy")]
    pub https: String,
    /// The certificates in PEM that proxies with `https://` URLs are verified with, beside those that the
    /// agent's host trusts.
    pub ca_bundle: Option<ByteString>,
    /// The destinations that do not use the proxy.
    pub no_proxy: String,
}

/// The compute resources of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerResources {
    /// Kind, object and container, as `deployments:name:container`. Each part may be `*`.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// The requests and limits of the container.
    pub resources: ResourceRequirements,
}
