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
    detour: Option<Detour>,
}

/// The way through another replica.
#[derive(Clone, Debug)]
struct Detour {
    holder: Holder,
    cluster: ClusterName,
    tunnels: Tunnels,
}

impl Pipe {
    pub(super) fn here(stream: Stream) -> Self {
        let carrier = Carrier {
            session: stream.session(),
            detour: None,
        };
        Self { stream, carrier }
    }

    pub(super) fn through(
        holder: Holder,
        cluster: &ClusterName,
        tunnels: &Tunnels,
        stream: Stream,
    ) -> Self {
        let carrier = Carrier {
            session: stream.session(),
            detour: Some(Detour {
                holder,
                cluster: cluster.clone(),
                tunnels: tunnels.clone(),
            }),
        };
        Self { stream, carrier }
    }
}

impl Carrier {
    /// The other replica that the pipe goes through; `None` if it goes through none.
    #[cfg(test)]
    pub(crate) fn replica(&self) -> Option<&tunnel::ReplicaId> {
        self.detour.as_ref().map(|detour| &detour.holder.peer.id)
    }

    /// Waits until new requests should use another pipe.
    pub(crate) async fn retired(&self) {
        match &self.detour {
            None => self.session.closing().await,
            Some(detour) => select! {
                () = self.session.closing() => {}
                () = detour.holder.peer.draining() => {}
                () = detour.holder.retired() => {}
                () = detour.tunnels.come_here(&detour.cluster) => {}
            },
        }
    }

    /// Whether new requests should use another pipe.
    pub(crate) fn is_retiring(&self) -> bool {
        self.session.is_closing() || self.detour.as_ref().is_some_and(Detour::is_needless)
    }
}

impl Detour {
    /// True if the other replica or its tunnel is shutting down, or if this replica has a tunnel
    /// itself.
    fn is_needless(&self) -> bool {
        self.holder.peer.is_draining()
            || self.holder.is_retired()
            || self.tunnels.holds(&self.cluster)
    }
}
