//! What is planned by itself: one key per part of the hub.

use serde::Serialize;

/// What is planned by itself.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) enum Key {
    /// What the hub holds for all clusters.
    Hub,
    /// What the hub holds for one cluster.
    Cluster(String),
    /// What the hub holds of grants for one cluster.
    Access(String),
    /// A grant's status.
    Grant(String),
    /// The configuration's status.
    Status,
}
