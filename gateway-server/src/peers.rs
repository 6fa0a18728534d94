//! The links between the replicas of this gateway. Every replica dials every other one, over mutual
//! TLS with certificates from a CA of their own, and speaks the tunnel protocol: the replica that
//! dialled opens pipes, and the other one passes them to its own tunnels, never to a third replica.
//! On the same link the replica that was dialled tells which clusters it has tunnels of
//! (protocol.md §10).

mod discovery;
mod door;
mod link;
mod links;
mod news;
mod tls;

use std::sync::Arc;

use kube::Client;
use runtime::readiness::Readiness;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::task::TaskTracker;

use self::{discovery::Discovery, door::PeerDoor, links::Links, tls::PeerTls};
pub(crate) use self::{news::fuzz as fuzz_news, tls::PeerTlsError};
use crate::{
    args::PeerSettings, clusters::Clusters, ending::Ending, metrics::Metrics, replicas::Replicas,
    tunnels::Tunnels,
};

/// What the links to other replicas share with the rest of the process.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    pub(crate) replicas: Replicas,
    pub(crate) tunnels: Tunnels,
    pub(crate) clusters: Arc<Clusters>,
    pub(crate) metrics: Metrics,
    /// Runs the connections to other replicas.
    pub(crate) tasks: TaskTracker,
    /// Runs the connections from other replicas. A drain waits for their pipes.
    pub(crate) passing: TaskTracker,
    pub(crate) ending: Ending,
}

impl Peers {
    /// Accepts the other replicas at `listener` and keeps a link to each. Readiness waits up to 5 s
    /// for their first news.
    pub(crate) fn start(
        self,
        settings: PeerSettings,
        listener: TcpListener,
        hub: Client,
        readiness: &Readiness,
        background: &mut JoinSet<()>,
    ) -> Result<(), PeerTlsError> {
        let PeerSettings {
            address,
            certificate,
            private_key,
            authority,
            others,
        } = settings;
        let tls = PeerTls::load(certificate, private_key, authority)?;
        background.spawn(Arc::clone(&tls).follow());
        let door = PeerDoor::new(self.clone(), Arc::clone(&tls));
        background.spawn(door.serve(listener));
        let (found, addresses) = watch::channel(None);
        let discovery = Discovery {
            others,
            port: address.port(),
            found,
        };
        background.spawn(discovery.follow(hub));
        background.spawn(self.replicas.clone().count());
        let heard = readiness.condition("other-replicas");
        background.spawn(Links::new(self, tls).keep(addresses, heard));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
