//! A tunnel as one more way to dial: a pipe to the managed cluster's API server, under TLS and the
//! pool like any other.

use crds::{ClusterName, ServiceAddress};
use tunnel::{OpenError, Stream, Target};

use super::Tunnels;

/// Dials something in one managed cluster through its tunnels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TunnelDialer {
    cluster: ClusterName,
    tunnels: Tunnels,
    target: Target,
}

/// No pipe through a tunnel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TunnelError {
    /// No agent of the cluster is connected to this gateway.
    #[error("no agent of this cluster is connected")]
    Absent,
    /// There is a tunnel, and no pipe through it.
    #[error("through the tunnel: {0}")]
    Open(#[from] OpenError),
}

impl TunnelDialer {
    /// The name under which agents serve their own API server; its certificate has it, too.
    pub(crate) const APISERVER: &str = "kubernetes.default.svc:443";

    /// The way to the API server of `cluster`.
    pub(crate) fn apiserver(cluster: &ClusterName, tunnels: &Tunnels) -> Self {
        let target = Self::APISERVER.parse().expect("a constant that parses");
        Self {
            cluster: cluster.clone(),
            tunnels: tunnels.clone(),
            target,
        }
    }

    /// The way to a service of the same cluster.
    pub(crate) fn service(&self, service: &ServiceAddress) -> Self {
        let address = format!("{}:{}", service.host(), service.port());
        let target = address.parse().expect("labels and a port are a target");
        Self {
            target,
            ..self.clone()
        }
    }

    /// Whether an agent of the cluster is attached now.
    pub(crate) fn is_attached(&self) -> bool {
        self.tunnels.entry(&self.cluster).is_some()
    }

    /// Opens a pipe.
    pub(crate) async fn dial(&self) -> Result<Stream, TunnelError> {
        let entry = self
            .tunnels
            .entry(&self.cluster)
            .ok_or(TunnelError::Absent)?;
        match entry.sessions.open(&self.target).await {
            Err(OpenError::Closing) => Err(TunnelError::Absent),
            opened => Ok(opened?),
        }
    }
}
