//! One managed cluster, as requests find it.

use std::sync::Arc;

use crds::cluster_core::{ClusterGateway, ConstEndpoint};
use tokio_util::sync::CancellationToken;

use super::{credential::Credential, definition::Unusable};
use crate::{acting::Streams, metrics::ClusterMetrics, way::Way};

/// One managed cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// As its source shows it; absent when that is too broken to show.
    pub(crate) object: Option<ClusterGateway>,
    /// What its requests take, or why there are none.
    pub(crate) access: Result<Access, Unusable>,
    /// Where its requests are counted.
    pub(crate) metrics: ClusterMetrics,
    /// Those of its requests that last.
    pub(crate) streams: Arc<Streams>,
    /// The addresses to show while they are used.
    pub(super) addresses: Vec<ConstEndpoint>,
    /// A newer snapshot has another one, or none.
    pub(super) superseded: CancellationToken,
}

/// What a request takes to its managed cluster.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Where to send it.
    pub(crate) way: Arc<Way>,
    /// The token to send, if that is the credential.
    pub(crate) credential: Option<Arc<Credential>>,
}

impl Cluster {
    /// What to try after its API server rejected a token, if there is a newer one.
    pub(super) fn newer_than(self: &Arc<Self>, rejected: &Credential) -> Option<Access> {
        let access = self.access.as_ref().ok()?;
        let credential = access.credential.as_ref()?;
        (credential.authorization != rejected.authorization).then(|| access.clone())
    }
}
