//! Kubernetes types: those that Spokeway serves or owns, and those of Open Cluster Management that
//! it reads and writes. There is one module per API group (with the first labels of the group as
//! its name), and one file per kind.
//!
//! Doc comments on fields are user documentation: they become schema descriptions, which
//! `kubectl explain` prints.

pub mod addon;
pub mod authentication;
pub mod cluster;
pub mod cluster_core;
mod cluster_name;
#[cfg(test)]
mod explain;
pub mod gateway;
mod go_duration;
pub mod label_selector;
mod schema;
mod service_address;
pub mod work;

pub use cluster_name::{ClusterName, ClusterNameError};
pub use service_address::{ServiceAddress, ServiceAddressError};
