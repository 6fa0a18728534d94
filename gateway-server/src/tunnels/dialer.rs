//! Dialling through a tunnel: a pipe to the managed cluster's API server carries TLS and is pooled
//! like a TCP connection.

use crds::{ClusterName, ServiceAddress};
use tunnel::{OpenError, Refusal, ReplicaId, Share, Target};

use super::{Pipe, Tunnels};

/// The largest number of replicas that are asked for one pipe.
const PEERS_ASKED: usize = 2;

/// Dials something in one managed cluster through its tunnels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TunnelDialer {
    cluster: ClusterName,
    tunnels: Tunnels,
    target: Target,
}

/// Why no pipe could be opened through a tunnel.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TunnelError {
    /// No agent of the cluster is connected to any replica of this gateway.
    #[error("no agent of this cluster is connected")]
    Absent,
    /// This replica has a tunnel, but the pipe could not be opened.
    #[error("through the tunnel: {0}")]
    Open(#[from] OpenError),
    /// Another replica has a tunnel, but the pipe could not be opened through it.
    #[error("through the tunnel of replica {replica} of the gateway: {source}")]
    Passed {
        replica: ReplicaId,
        source: OpenError,
    },
}

impl TunnelDialer {
    /// The name under which agents serve their own API server. That server's certificate is valid
    /// for it.
    pub(crate) const APISERVER: &str = "kubernetes.default.svc:443";

    /// A dialer for the API server of `cluster`.
    pub(crate) fn apiserver(cluster: &ClusterName, tunnels: &Tunnels) -> Self {
        let target = Self::APISERVER.parse().expect("a constant that parses");
        Self {
            cluster: cluster.clone(),
            tunnels: tunnels.clone(),
            target,
        }
    }

    /// A dialer for a service of the same cluster.
    pub(crate) fn service(&self, service: &ServiceAddress) -> Self {
        let address = format!("{}:{}", service.host(), service.port());
        let target = address.parse().expect("labels and a port are a target");
        Self {
            target,
            ..self.clone()
        }
    }

    /// Whether an agent of the cluster is attached now, here or at another replica.
    pub(crate) fn is_attached(&self) -> bool {
        let entry = self.tunnels.entry(&self.cluster);
        entry.is_some_and(|entry| entry.is_attached())
    }

    /// Opens a pipe through a tunnel to this replica if there is one, otherwise through another
    /// replica. While a pipe opens, no byte of the caller has been sent, so after a failure that
    /// says nothing about the target itself, the next replica is tried.
    pub(crate) async fn dial(&self, share: Share) -> Result<Pipe, TunnelError> {
        let entry = self.tunnels.entry(&self.cluster);
        let entry = entry.ok_or(TunnelError::Absent)?;
        let budget = entry.budget.sharing(share);
        let mut failed = match entry.sessions.open_for(&self.target, &budget).await {
            Ok(stream) => return Ok(Pipe::here(stream)),
            Err(OpenError::Closing) => TunnelError::Absent,
            Err(error @ (OpenError::Broken(_) | OpenError::Deadline)) => error.into(),
            Err(error @ (OpenError::Budget | OpenError::Refused(_))) => return Err(error.into()),
        };
        for holder in entry.peers().into_iter().take(PEERS_ASKED) {
            let peer = &holder.peer;
            let opened = peer.open(&self.target, &self.cluster, &budget).await;
            let source = match opened {
                Ok(stream) => {
                    return Ok(Pipe::through(holder, &self.cluster, &self.tunnels, stream));
                }
                // Its news about the cluster is out of date.
                Err(OpenError::Refused(Refusal::Absent) | OpenError::Closing) => continue,
                Err(source) => source,
            };
            let is_final = matches!(source, OpenError::Refused(_));
            let replica = peer.id.clone();
            failed = TunnelError::Passed { replica, source };
            if is_final {
                break;
            }
        }
        Err(failed)
    }
}
