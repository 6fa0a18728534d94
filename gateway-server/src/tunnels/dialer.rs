//! A tunnel as one more way to dial: a pipe to the managed cluster's API server, under TLS and the
//! pool like any other.

use crds::ClusterName;
use tunnel::{OpenError, Stream, Target};

use super::{TunnelStatus, Tunnels};

/// Dials the API server of one managed cluster through its tunnels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TunnelDialer {
    pub(crate) cluster: ClusterName,
    pub(crate) tunnels: Tunnels,
}

/// No pipe through a tunnel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TunnelError {
    /// No agent of the cluster is connected to this gateway.
    #[error("no agent of it is connected")]
    Absent,
    /// There is a tunnel, and no pipe through it.
    #[error("through the tunnel: {0}")]
    Open(#[from] OpenError),
}

impl TunnelDialer {
    /// The name under which agents serve their own API server; its certificate has it, too.
    pub(crate) const APISERVER: &str = "kubernetes.default.svc:443";

    /// What is known of the cluster's tunnels; nothing where there are none.
    pub(crate) fn status(&self) -> Option<TunnelStatus> {
        self.tunnels.status(&self.cluster)
    }

    /// Opens a pipe to the API server.
    pub(crate) async fn dial(&self) -> Result<Stream, TunnelError> {
        let target: Target = Self::APISERVER.parse().expect("a constant that parses");
        let entry = self
            .tunnels
            .entry(&self.cluster)
            .ok_or(TunnelError::Absent)?;
        match entry.sessions.open(&target).await {
            Err(OpenError::Closing) => Err(TunnelError::Absent),
            opened => Ok(opened?),
        }
    }
}
