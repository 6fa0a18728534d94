//! The other replicas of this gateway. Each keeps a link to each other one, by mutual TLS with
//! certificates of an authority of their own, and speaks the tunnel's protocol on it: who dialled opens
//! pipes, and the other end passes them to its own tunnels, never on to a third one. Over the same link
//! each tells the others which clusters it has tunnels of (protocol.md §10).

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
use tunnel::Hello;

use self::{discovery::Discovery, door::PeerDoor, links::Links, tls::PeerTls};
pub(crate) use self::{news::fuzz as fuzz_news, tls::PeerTlsError};
use crate::{
    args::PeerSettings, clusters::Clusters, ending::Ending, metrics::Metrics, tunnels::Tunnels,
};

/// What links to other replicas share with the rest of the process.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    /// What this gateway says of itself.
    pub(crate) hello: Arc<Hello>,
    pub(crate) tunnels: Tunnels,
    pub(crate) clusters: Arc<Clusters>,
    pub(crate) metrics: Metrics,
    /// Holds the connections to others.
    pub(crate) tasks: TaskTracker,
    /// Holds the connections of others, whose pipes a drain waits for.
    pub(crate) passing: TaskTracker,
    pub(crate) ending: Ending,
}

impl Peers {
    /// Accepts the other replicas at `listener`, and keeps links to them. Readiness waits a moment for
    /// what they have to say.
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
        let heard = readiness.condition("other-replicas");
        background.spawn(Links::new(self, tls).keep(addresses, heard));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
