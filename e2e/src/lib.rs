//! Real control planes as processes on loopback, for tests, the demo and benchmarks.
//!
//! [`World`] starts named clusters and provides everything that a test needs to talk to them.
//! [`Gateway`] runs our gateway-server against one of them. Both own plain processes and files and
//! nothing of an async runtime, so the tests of a binary can share one World.

pub mod agent;
mod binary;
pub mod cluster;
pub mod enrolled;
mod eventually;
pub mod fence;
pub mod gateway;
pub mod go_stack;
pub mod helm;
mod host;
mod http1;
pub mod interposer;
pub mod kubectl;
mod metrics;
pub mod node;
pub mod ocm;
pub mod operator;
pub mod pki;
pub mod process;
pub mod process_kubelet;
pub mod programs;
pub mod rules;
mod site;
pub mod tunnel_port;
pub mod upstream_msa;
pub mod world;

pub use agent::{Agent, AgentOptions};
pub use binary::{BinaryError, our_program};
pub use cluster::{Cluster, Credentials};
pub use enrolled::Enrolled;
pub use eventually::{Elapsed, eventually};
pub use fence::Fence;
pub use gateway::{
    Balancer, Gateway, GatewayOptions, ON_LOOPBACK, PeerFiles, Replicas, SharedGateway,
    SpokeOptions,
};
pub use go_stack::GoStack;
pub use helm::Helm;
pub use host::{free_port, wall_clock};
pub use http1::Http1;
pub use interposer::Interposer;
pub use kubectl::Kubectl;
pub use metrics::Metrics;
pub use node::Node;
pub use operator::Operator;
pub use pki::{Authority, Identity, Leaf};
pub use process::Process;
pub use process_kubelet::ProcessKubelet;
pub use tunnel_port::TunnelPort;
pub use upstream_msa::UpstreamMsa;
pub use world::{SharedWorld, World};
