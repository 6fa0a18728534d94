//! Dialling through a tunnel: a pipe to the managed cluster's API server carries TLS and is pooled
//! like a TCP connection.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use crds::{ClusterName, ServiceAddress};
use futures::FutureExt as _;
use tunnel::{Charge, OpenError, Refusal, ReplicaId, Share, Target, hedged};

use super::{
    Holder, Pipe, Tunnels,
    entry::{Entry, Route},
};

/// The largest number of replicas that are asked for one pipe.
const PEERS_ASKED: usize = 2;
/// A replica that has opened no pipe by then is late, and the next one is asked as well. By then it
/// has tried a second tunnel itself.
const LATE: Duration = Duration::from_secs(3);

/// How long a pipe waits for room in the budget of its cluster.
const PATIENCE: Duration = Duration::from_secs(2);

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
    /// The same, and agents try: their requests to attach arrive without the upgrade that they ask for.
    #[error(
        "no agent of this cluster is connected: one tries, but something between it and the gateway passes \
         neither the upgrade to a tunnel nor that to WebSocket"
    )]
    Stripped,
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

    /// How many tunnels to this replica there are, and how many of them lead elsewhere.
    pub(crate) fn astray(&self) -> (usize, usize) {
        let entry = self.tunnels.entry(&self.cluster);
        let sessions = entry.map(|entry| entry.sessions.all()).unwrap_or_default();
        let aside = sessions.iter().filter(|session| session.is_aside());
        (sessions.len(), aside.count())
    }

    /// Why all tunnels to this replica come by WebSocket, if they do.
    pub(crate) fn detour(&self) -> Option<Arc<str>> {
        self.tunnels.entry(&self.cluster)?.detour()
    }

    /// Opens a pipe through a tunnel to this replica if there is one, otherwise through another
    /// replica. While a pipe opens, no byte of the caller has been sent, so after a failure that
    /// says nothing about the target itself, or if a replica is late, the next one is tried. It is
    /// one pipe, and charged once, however many replicas are asked. If there is no tunnel, but an agent
    /// was asked to leave a replica that shuts down, it waits for the agent to attach elsewhere.
    pub(crate) async fn dial(&self, share: Share) -> Result<Pipe, TunnelError> {
        loop {
            match self.dial_now(share).await {
                Err(error) if error.is_absent() => {
                    if !self.tunnels.comes_again(&self.cluster).await {
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    async fn dial_now(&self, share: Share) -> Result<Pipe, TunnelError> {
        let entry = self.tunnels.entry(&self.cluster);
        let entry = entry.filter(|entry| entry.is_attached());
        let entry = entry.ok_or_else(|| self.absent())?;
        let budget = entry.budget.sharing(share);
        let charge = budget.charge_pipe_within(PATIENCE).await;
        let charge = charge.ok_or(OpenError::Budget)?;
        let routes = entry.routes(PEERS_ASKED);
        let attempts = routes.into_iter().map(|route| match route {
            Route::Here => self.open_here(&entry, &charge).boxed(),
            Route::Through(holder) => self.open_through(holder, &charge).boxed(),
        });
        let mut failed = TunnelError::Absent;
        let opened = hedged(attempts, LATE, |error| match error {
            TunnelError::Absent => ControlFlow::Continue(()),
            error if error.is_of_replica() => {
                failed = error;
                ControlFlow::Continue(())
            }
            error => ControlFlow::Break(error),
        });
        let opened = opened.await;
        opened.unwrap_or(Err(failed))
    }

    /// The error for a cluster without a tunnel.
    pub(crate) fn absent(&self) -> TunnelError {
        if self.tunnels.is_stripped(&self.cluster) {
            TunnelError::Stripped
        } else {
            TunnelError::Absent
        }
    }

    async fn open_here(&self, entry: &Entry, charge: &Charge) -> Result<Pipe, TunnelError> {
        match entry.sessions.open_charged(&self.target, charge).await {
            Ok(stream) => Ok(Pipe::new(stream, None, &self.cluster, &self.tunnels)),
            Err(OpenError::Closing) => Err(TunnelError::Absent),
            Err(error) => Err(error.into()),
        }
    }

    async fn open_through(&self, holder: Holder, charge: &Charge) -> Result<Pipe, TunnelError> {
        let peer = &holder.peer;
        match peer.open(&self.target, &self.cluster, charge).await {
            Ok(stream) => {
                let holder = Some(holder);
                Ok(Pipe::new(stream, holder, &self.cluster, &self.tunnels))
            }
            // Its news about the cluster is out of date.
            Err(OpenError::Refused(Refusal::Absent) | OpenError::Closing) => {
                Err(TunnelError::Absent)
            }
            Err(source) => Err(TunnelError::Passed {
                replica: peer.id.clone(),
                source,
            }),
        }
    }
}

impl TunnelError {
    /// Whether there is no tunnel.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent | Self::Stripped)
    }

    /// Whether as many pipes are open as a tunnel or a budget allows.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::Absent | Self::Stripped => false,
            Self::Open(source) | Self::Passed { source, .. } => matches!(
                source,
                OpenError::Budget | OpenError::Refused(Refusal::Busy)
            ),
        }
    }

    /// Whether the agent does not reach what it should, or is not reached itself. That there is no
    /// agent is none, because requests learn that at once.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Absent | Self::Stripped => false,
            Self::Open(source) | Self::Passed { source, .. } => !matches!(
                source,
                OpenError::Budget
                    | OpenError::Refused(Refusal::Busy | Refusal::Forbidden | Refusal::Malformed)
            ),
        }
    }

    /// Whether another replica may be able to open the pipe.
    fn is_of_replica(&self) -> bool {
        match self {
            Self::Absent | Self::Stripped => true,
            Self::Open(source) | Self::Passed { source, .. } => source.is_of_session(),
        }
    }
}
