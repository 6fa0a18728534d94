//! The kinds of objects that clusters are shown as, each with where its objects come from.

use std::{future::Future, sync::Arc};

use crds::{
    ClusterName,
    cluster_core::{ClusterGateway, GROUP, VirtualCluster},
};
use http::StatusCode;
use tokio::time::{Instant, sleep_until};

use super::{
    Clusters,
    journal::{Changes, Listed, SETTLE, Unknown},
    refusal::not_read_yet,
};
use crate::{api::kind::Kind, status::Refusal};

/// A kind of objects that clusters are shown as.
pub(crate) trait Shown: Kind {
    /// All objects; `None` until all clusters have been read once. Waits until the order of the latest
    /// changes is known, so that they are in the list.
    fn listed(clusters: &Clusters) -> impl Future<Output = Option<Listed<Self>>> + Send;

    /// One object as it is now.
    fn one(clusters: &Clusters, name: &ClusterName) -> Result<Arc<Self>, Refusal>;

    /// What has changed after a position.
    fn changes(clusters: &Clusters, position: u64, now: Instant) -> Result<Changes<Self>, Unknown>;

    /// Continues a watch that has seen everything up to a revision, here or at another replica.
    fn resume(clusters: &Clusters, revision: u64, now: Instant) -> Result<Changes<Self>, Unknown>;

    /// The newest revision that the hub is known to have reached.
    fn newest(clusters: &Clusters) -> u64;
}

impl Shown for ClusterGateway {
    async fn listed(clusters: &Clusters) -> Option<Listed> {
        clusters.list().await
    }

    fn one(clusters: &Clusters, name: &ClusterName) -> Result<Arc<Self>, Refusal> {
        let shown = clusters.shown(name);
        shown.map_err(|unshown| unshown.refusal(name))
    }

    fn changes(clusters: &Clusters, position: u64, now: Instant) -> Result<Changes, Unknown> {
        clusters.changes(position, now)
    }

    fn resume(clusters: &Clusters, revision: u64, now: Instant) -> Result<Changes, Unknown> {
        clusters.resume(revision, now)
    }

    fn newest(clusters: &Clusters) -> u64 {
        clusters.feed.lock().newest()
    }
}

impl Shown for VirtualCluster {
    async fn listed(clusters: &Clusters) -> Option<Listed<Self>> {
        let came = clusters.catalog.lock().last_came();
        if let Some(came) = came {
            sleep_until(came + SETTLE).await;
        }
        clusters.catalog.lock().list(Instant::now())
    }

    fn one(clusters: &Clusters, name: &ClusterName) -> Result<Arc<Self>, Refusal> {
        let mut catalog = clusters.catalog.lock();
        catalog.one(name, Instant::now()).ok_or_else(|| {
            if catalog.is_complete() {
                no_virtual_cluster(name)
            } else {
                not_read_yet()
            }
        })
    }

    fn changes(clusters: &Clusters, position: u64, now: Instant) -> Result<Changes<Self>, Unknown> {
        clusters.catalog.lock().after(position, now)
    }

    fn resume(clusters: &Clusters, revision: u64, now: Instant) -> Result<Changes<Self>, Unknown> {
        clusters.catalog.lock().resume(revision, now)
    }

    fn newest(clusters: &Clusters) -> u64 {
        clusters.catalog.lock().newest()
    }
}

fn no_virtual_cluster(name: &ClusterName) -> Refusal {
    let message = format!(
        "{}.{GROUP} {:?} not found: the hub has no ManagedCluster with this name, and no usable Secret of the \
         manual mode; `kubectl get virtualclusters` lists the clusters that it knows",
        VirtualCluster::RESOURCE,
        name.as_str()
    );
    Refusal::new(StatusCode::NOT_FOUND, "NotFound", message).of(VirtualCluster::RESOURCE, name)
}
