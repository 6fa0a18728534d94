//! Kubernetes types: the ones Spokeway serves or owns, and the Open Cluster Management types it
//! reads and writes. One module per API group (named by the group's first labels), one file per kind.
//!
//! Doc comments on fields are user documentation: they become schema descriptions, which
//! `kubectl explain` prints.

pub mod addon;
pub mod authentication;
pub mod cluster;
pub mod cluster_core;
mod cluster_name;
pub mod gateway;
mod go_duration;
pub mod label_selector;
mod schema;
mod service_address;
pub mod work;

pub use cluster_name::{ClusterName, ClusterNameError};
pub use service_address::{ServiceAddress, ServiceAddressError};
