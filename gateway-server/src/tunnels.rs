//! The tunnels that agents keep open to this gateway, by managed cluster: adding and removing them,
//! and opening pipes through them.

mod dialer;
pub(crate) mod identity;

use std::{collections::HashMap, sync::Arc};

use crds::ClusterName;
use parking_lot::RwLock;
use tunnel::{Budget, Session, Sessions};

pub(crate) use self::dialer::{TunnelDialer, TunnelError};

/// All tunnels of this gateway. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Tunnels(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clusters: RwLock<HashMap<ClusterName, Arc<Entry>>>,
    process: Budget,
    per_cluster: usize,
}

/// The tunnels of one managed cluster.
#[derive(Debug)]
struct Entry {
    sessions: Sessions,
    budget: Budget,
}

impl Tunnels {
    /// No tunnels yet; what peers may make this process hold is bounded by both numbers of bytes.
    pub(crate) fn new(process: usize, per_cluster: usize) -> Self {
        let process = Budget::new(process);
        Self(Arc::new(Inner {
            clusters: RwLock::default(),
            process,
            per_cluster,
        }))
    }

    /// What pipes of `cluster` are charged to: one account, however often its agents reconnect.
    pub(crate) fn budget(&self, cluster: &ClusterName) -> Budget {
        let known = self.entry(cluster).map(|entry| entry.budget.clone());
        known.unwrap_or_else(|| self.0.process.part(self.0.per_cluster))
    }

    /// Adds a session of `cluster`. The budget is used if it is the first.
    pub(crate) fn add(&self, cluster: &ClusterName, session: Session, budget: Budget) {
        let mut clusters = self.0.clusters.write();
        let entry = clusters.entry(cluster.clone()).or_insert_with(|| {
            Arc::new(Entry {
                sessions: Sessions::default(),
                budget,
            })
        });
        entry.sessions.add(session);
    }

    /// Removes a session of `cluster`.
    pub(crate) fn remove(&self, cluster: &ClusterName, session: &Session) {
        let mut clusters = self.0.clusters.write();
        if clusters
            .get(cluster)
            .is_some_and(|entry| entry.sessions.remove(session))
        {
            clusters.remove(cluster);
        }
    }

    fn entry(&self, cluster: &ClusterName) -> Option<Arc<Entry>> {
        self.0.clusters.read().get(cluster).map(Arc::clone)
    }
}

impl PartialEq for Tunnels {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tunnels {}
