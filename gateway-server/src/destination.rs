//! Where a request goes: a managed cluster, or a service of one. Pure.

use crds::{ClusterName, ServiceAddress};

/// Where a request goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Destination {
    pub(crate) cluster: ClusterName,
    /// The service of the cluster that is meant, if it is not the API server.
    pub(crate) service: Option<ServiceAddress>,
    /// How many bytes at the end of the path are meant for it.
    pub(crate) tail_length: usize,
}

impl Destination {
    /// What is meant for it of a path.
    pub(crate) fn tail<'a>(&self, path: &'a str) -> &'a str {
        &path[path.len() - self.tail_length..]
    }
}
