//! A pipe to a managed cluster, and the tunnel that carries it.

use crds::ClusterName;
use tokio::select;
use tunnel::{Session, Stream};

use super::{Holder, Tunnels};

/// A pipe, and the tunnel that carries it.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) stream: Stream,
    pub(crate) carrier: Carrier,
}

/// The tunnel that carries a pipe, and the replica that has the tunnel if it is not this one.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    session: Session,
    /// `None` if the tunnel is here.
    holder: Option<Holder>,
    cluster: ClusterName,
    tunnels: Tunnels,
}

impl Pipe {
    pub(super) fn new(
        stream: Stream,
        holder: Option<Holder>,
        cluster: &ClusterName,
        tunnels: &Tunnels,
    ) -> Self {
        let carrier = Carrier {
            session: stream.session(),
            holder,
            cluster: cluster.clone(),
            tunnels: tunnels.clone(),
        };
        Self { stream, carrier }
    }
}

impl Carrier {
    /// The other replica that the pipe goes through; `None` if it goes through none.
    #[cfg(test)]
    pub(crate) fn replica(&self) -> Option<&tunnel::ReplicaId> {
        self.holder.as_ref().map(|holder| &holder.peer.id)
    }

    /// Waits until new requests should use another pipe for good.
    pub(crate) async fn retired(&self) {
        match &self.holder {
            None => self.session.closing().await,
            Some(holder) => select! {
                () = self.session.closing() => {}
                () = holder.peer.draining() => {}
                () = holder.retired() => {}
                () = self.tunnels.come_here(&self.cluster) => {}
            },
        }
    }

    /// Whether new requests should use another pipe: its tunnel ends, it is a detour for which there
    /// is no need any more, or its tunnel does not answer while another one does.
    pub(crate) fn is_retiring(&self) -> bool {
        self.session.is_closing()
            || self.holder.as_ref().is_some_and(|it| self.is_needless(it))
            || self.session.is_silent() && self.tunnels.answer(&self.cluster)
    }

    /// True if the other replica or its tunnel is shutting down, or if this replica has a tunnel
    /// itself.
    fn is_needless(&self, holder: &Holder) -> bool {
        holder.peer.is_draining() || holder.is_retired() || self.tunnels.hold(&self.cluster)
    }
}
