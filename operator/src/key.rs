//! What is planned independently: one key per part of the hub.

use serde::Serialize;

/// A part of the hub that is planned independently.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) enum Key {
    /// The objects on the hub that serve all clusters.
    Hub,
    /// The objects on the hub that serve one cluster.
    Cluster(String),
    /// The objects on the hub that carry grants to one cluster.
    Access(String),
    /// A grant's status.
    Grant(String),
    /// The configuration's status.
    Status,
}
