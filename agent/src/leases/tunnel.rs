//! Checks whether the tunnel works. The check takes the path of a user's request: the hub's API
//! server, the gateway, the tunnel, this agent, the managed cluster's API server.

use std::time::Duration;

use crds::{ClusterName, cluster_core::ClusterGateway};
use http::Request;
use kube::Client;
use tokio::{sync::watch, time::timeout};

/// The gateway's own deadline is shorter.
const DEADLINE: Duration = Duration::from_secs(20);

/// Asks the gateway about the health of this cluster.
#[derive(Clone)]
pub(crate) struct TunnelProbe {
    pub(crate) hub: watch::Receiver<Client>,
    pub(crate) cluster: ClusterName,
}

/// Why the tunnel carries no request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("the hub did not answer within {} s when asked about the tunnel", DEADLINE.as_secs())]
    Deadline,
    #[error("cannot read the state of the tunnel from the hub: {0}")]
    Hub(#[from] kube::Error),
    #[error("the gateway cannot reach the cluster through the tunnel: {0}")]
    Unhealthy(String),
}

impl TunnelProbe {
    /// Checks the tunnel once.
    pub(super) async fn run(&self) -> Result<(), ProbeError> {
        let path = format!(
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{}/health",
            self.cluster
        );
        let request = Request::get(path)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        // The borrow must not be held across an await.
        let hub = self.hub.borrow().clone();
        let asked = timeout(DEADLINE, hub.request::<ClusterGateway>(request)).await;
        let cluster = asked.map_err(|_| ProbeError::Deadline)??;
        match cluster.status {
            Some(status) if status.healthy => Ok(()),
            Some(status) => Err(ProbeError::Unhealthy(status.healthy_reason)),
            None => Err(ProbeError::Unhealthy(
                "the gateway gives no reason".to_owned(),
            )),
        }
    }
}
