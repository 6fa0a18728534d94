//! A pipe to a managed cluster, and the tunnel that carries it.

use std::sync::Arc;

use crds::ClusterName;
use tokio::select;
use tracing::{info, warn};
use tunnel::{Session, Stream};

use super::{Holder, Tunnels, entry::Entry};

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

    /// What is at its end belongs to the cluster. If its tunnel was set aside, something has changed,
    /// and the others must be tried again too.
    pub(crate) fn fits(&self) {
        if self.session.is_aside()
            && let Some(entry) = self.own()
        {
            info!(cluster = %self.cluster, "a tunnel leads to the API server of the cluster again");
            entry.sessions.readmit_all();
        }
    }

    /// What is at its end does not belong to the cluster. True if another pipe may lead elsewhere.
    pub(crate) fn leads_astray(&self) -> bool {
        let Some(entry) = self.own() else {
            return self.holder.is_some();
        };
        if !self.session.is_aside() {
            warn!(cluster = %self.cluster, "a tunnel does not lead to the API server of the cluster");
        }
        entry.sessions.set_aside(&self.session);
        entry.sessions.all().len() > 1 || !entry.peers().is_empty()
    }

    /// The tunnels of the cluster, if the pipe goes through one of them. A tunnel of another replica is
    /// that replica's business.
    fn own(&self) -> Option<Arc<Entry>> {
        let entry = || self.tunnels.entry(&self.cluster);
        self.holder.is_none().then(entry).flatten()
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
