//! One managed cluster, as requests find it.

use std::sync::Arc;

use crds::cluster_core::{ClusterGateway, ConstEndpoint};
use jiff::Timestamp;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{credential::Credential, definition::Unusable, trouble::Trouble};
use crate::{
    account_rights::AccountRights, acting::Streams, breaker::Breaker, metrics::ClusterMetrics,
    seats::Seats, way::Way,
};

/// How many tunnels one cluster may have to this replica. An agent needs a few, and twice as many
/// while it is replaced.
pub(super) const MOST_TUNNELS: usize = 64;

/// One managed cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(super) written: Written,
    /// The object as its source defines it; `None` if the source is too broken to show.
    pub(crate) object: Option<ClusterGateway>,
    /// When its `ManagedCluster` was created, if it is made from one.
    pub(crate) registered: Option<Timestamp>,
    /// The version of its API server, if it is known.
    pub(super) version: String,
    /// How to reach it, or why that is not possible.
    pub(crate) access: Result<Access, Unusable>,
    /// Where its requests are counted.
    pub(crate) metrics: ClusterMetrics,
    /// Its long-lived requests.
    pub(crate) streams: Arc<Streams>,
    /// Its requests in flight.
    pub(crate) seats: Arc<Seats>,
    /// Whether it is tried at all.
    pub(crate) breaker: Arc<Breaker>,
    /// Requests that it cannot answer.
    pub(crate) trouble: Arc<Trouble>,
    /// What the gateway's account may do on it.
    pub(crate) rights: Arc<AccountRights>,
    /// The places of its tunnels to this replica.
    pub(crate) tunnels: Arc<Semaphore>,
    /// The addresses to show while they are in use.
    pub(super) addresses: Vec<ConstEndpoint>,
    /// Cancelled when a newer snapshot has replaced or removed it.
    pub(super) superseded: CancellationToken,
    /// Cancelled when the cluster is gone. It is the same for as long as the cluster is there, even
    /// if it cannot be reached meanwhile, so that no stream outlives it.
    pub(crate) gone: CancellationToken,
}

/// When the sources of a cluster last changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// The newest revision among the hub's objects that it is made from.
    pub(super) revision: u64,
    /// When the latest of these objects came here.
    pub(super) came: Instant,
}

/// The route and credential of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Where to send the request.
    pub(crate) way: Arc<Way>,
    /// The token to send, if that is the credential.
    pub(crate) credential: Option<Arc<Credential>>,
}

impl Cluster {
    /// Tells it from another cluster that had this name before.
    pub(crate) fn uid(&self) -> Option<&str> {
        self.object.as_ref()?.metadata.uid.as_deref()
    }

    /// The access with another token than the rejected one, if there is one.
    pub(super) fn newer_than(self: &Arc<Self>, rejected: &Credential) -> Option<Access> {
        let access = self.access.as_ref().ok()?;
        let credential = access.credential.as_ref()?;
        (credential.authorization != rejected.authorization).then(|| access.clone())
    }
}
