//! The caller's own clusters, which the gateway tells to whoever has no right to list them all.

use crds::cluster_core::{MY_CLUSTERS_PATH, MyCluster, MyClusterList};
use http::Request;

use crate::hub::{Hub, HubError, unanswered};

/// The clusters on which the caller has grants.
pub(crate) async fn clusters(hub: &Hub) -> Result<Vec<MyCluster>, HubError> {
    let request = Request::get(MY_CLUSTERS_PATH)
        .body(Vec::new())
        .map_err(|error| unanswered(kube::Error::HttpError(error)))?;
    let listed = hub.client.request::<MyClusterList>(request).await;
    Ok(listed.map_err(unanswered)?.items)
}
