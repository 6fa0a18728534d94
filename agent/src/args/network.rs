//! The flags that say how the agent sees its own network.

use std::net::IpAddr;

use clap::Args;

use crate::targets::{Network, cluster_domain};

/// What a listed service may be called, and where it must not be.
#[derive(Args, Clone, Debug)]
pub(super) struct NetworkArgs {
    /// DNS domain of this cluster. If it is not set, the agent takes it from the search domains of its pod,
    /// and uses cluster.local if there is none.
    #[arg(long, env = "AGENT_CLUSTER_DOMAIN", value_name = "DOMAIN")]
    cluster_domain: Option<String>,
    /// IP address of the node that the agent runs on. Can be repeated. The agent never connects to it for a
    /// service that it exposes.
    #[arg(
        long,
        env = "AGENT_NODE_ADDRESSES",
        value_name = "IP",
        value_delimiter = ','
    )]
    node_address: Vec<IpAddr>,
    /// IP address of the agent's own pod. Can be repeated. The agent never connects to it for a service that
    /// it exposes.
    #[arg(
        long,
        env = "AGENT_POD_ADDRESSES",
        value_name = "IP",
        value_delimiter = ','
    )]
    pod_address: Vec<IpAddr>,
}

impl From<NetworkArgs> for Network {
    fn from(args: NetworkArgs) -> Self {
        let NetworkArgs {
            cluster_domain,
            node_address,
            pod_address,
        } = args;
        Self {
            domain: cluster_domain.unwrap_or_else(cluster_domain::find),
            own: node_address.into_iter().chain(pod_address).collect(),
        }
    }
}
