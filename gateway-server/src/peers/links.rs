//! One link to each address, for as long as discovery finds the address.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use runtime::readiness::Condition;
use tokio::{
    select,
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use super::{Peers, link::Link, tls::PeerTls};

/// How long readiness waits for the first news of other replicas.
const PATIENCE: Duration = Duration::from_secs(5);

/// The links to all addresses.
#[derive(Debug)]
pub(super) struct Links {
    peers: Peers,
    tls: Arc<PeerTls>,
}

impl Links {
    pub(super) fn new(peers: Peers, tls: Arc<PeerTls>) -> Self {
        Self { peers, tls }
    }

    /// Keeps a link to each address that is found. `heard` is set when each replica of the first
    /// discovery has told its state or could not be reached, and after [`PATIENCE`] in any case.
    pub(super) async fn keep(
        self,
        mut found: watch::Receiver<Option<BTreeSet<String>>>,
        heard: Condition,
    ) {
        let mut links = JoinSet::new();
        let mut kept: BTreeMap<String, AbortHandle> = BTreeMap::new();
        let (tell, mut tries) = watch::channel(0_usize);
        let mut awaited = None;
        let mut patience = std::pin::pin!(sleep(PATIENCE));
        let mut is_heard = false;
        loop {
            if !is_heard
                && (patience.is_elapsed()
                    || awaited.is_some_and(|all| *tries.borrow_and_update() >= all))
            {
                is_heard = true;
                self.peers.replicas.found();
                heard.set(true);
            }
            select! {
                changed = found.changed() => if changed.is_err() { return },
                Ok(()) = tries.changed(), if !is_heard => continue,
                () = &mut patience, if !is_heard => continue,
                Some(_) = links.join_next() => continue,
            }
            let addresses = found.borrow_and_update().clone().unwrap_or_default();
            awaited.get_or_insert(addresses.len());
            kept.retain(|address, link| {
                let stays = addresses.contains(address);
                if !stays {
                    link.abort();
                }
                stays
            });
            for address in addresses {
                kept.entry(address).or_insert_with_key(|address| {
                    let link =
                        Link::new(self.peers.clone(), Arc::clone(&self.tls), address.clone());
                    let tell = tell.clone();
                    links.spawn(link.keep(move || tell.send_modify(|tries| *tries += 1)))
                });
            }
        }
    }
}
