//! Identity by `AccessGrant`s: as whom a caller acts on a managed cluster. What the grants come to is
//! one immutable snapshot behind one pointer; a request reads it without a lock. When somebody's
//! standing ends, so do the streams that it still has.

mod claim;
mod decision;
mod ledger;
mod reading;
mod standings;

use std::sync::Arc;

use arc_swap::ArcSwap;
use crds::{ClusterName, gateway::AccessGrant};
use jiff::Timestamp;
use kube::ResourceExt as _;
use parking_lot::Mutex;

pub(crate) use self::decision::Denied;
use self::{
    decision::decide,
    ledger::{Cuts, Ledger},
    reading::Reading,
    standings::Standings,
};
#[cfg(test)]
pub(crate) use self::{
    reading::Obstacle,
    tests::{applied, grant},
};
use crate::{
    acting::{Acting, Streams, Tether},
    authentication::User,
    clusters::Clusters,
    metrics::Metrics,
};

/// The grants, and the one place that takes in what becomes of them.
#[derive(Debug)]
pub(crate) struct Grants {
    standings: ArcSwap<Standings>,
    /// What the snapshot is made of. Locked by the watch and the clock alone.
    ledger: Mutex<Ledger>,
    /// Where streams are cut.
    clusters: Arc<Clusters>,
    metrics: Metrics,
}

/// A request that may go on.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) acting: Acting,
    /// What it hangs on, where it lasts.
    pub(crate) tether: Option<Arc<Tether>>,
}

impl Grants {
    /// None are known yet.
    pub(crate) fn new(clusters: Arc<Clusters>, metrics: Metrics) -> Self {
        Self {
            standings: ArcSwap::default(),
            ledger: Mutex::default(),
            clusters,
            metrics,
        }
    }

    /// As whom a caller acts on a cluster. What lasts is tied to that, among the cluster's streams.
    pub(crate) fn admit(
        &self,
        caller: &User,
        cluster: &ClusterName,
        streams: Option<&Streams>,
    ) -> Result<Admitted, Denied> {
        loop {
            let standings = self.standings.load();
            let acting = decide(caller, cluster, &standings)?;
            let tether = streams.map(|streams| streams.tie(acting.clone()));
            // Tied too late to be cut with those that an older snapshot let in? Then by the newer one.
            if tether.is_none() || Arc::ptr_eq(&standings, &self.standings.load()) {
                return Ok(Admitted { acting, tether });
            }
        }
    }

    /// Takes in that these are all that there are.
    pub(crate) fn replace(&self, grants: &[AccessGrant], now: Timestamp) {
        let all = grants
            .iter()
            .map(|it| (it.name_any(), Reading::of(it)))
            .collect();
        self.change(|ledger| ledger.replace(all, now));
    }

    /// Takes in one, or that it is gone.
    pub(crate) fn set(&self, name: &str, grant: Option<&AccessGrant>, now: Timestamp) {
        let reading = grant.map(Reading::of);
        self.change(|ledger| {
            let mut cuts = Cuts::new();
            ledger.set(name, reading, now, &mut cuts);
            cuts
        });
    }

    /// Lets grants end whose time has come, and says when the next one's will.
    pub(crate) fn pass(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.ledger.lock().next_end()?;
        if next > now {
            return Some(next);
        }
        self.change(|ledger| ledger.pass(now));
        self.ledger.lock().next_end()
    }

    /// Publishes what a change comes to, and then cuts, so that whoever comes back meets the new.
    fn change(&self, change: impl FnOnce(&mut Ledger) -> Cuts) {
        let mut ledger = self.ledger.lock();
        let cuts = change(&mut ledger);
        self.standings.store(Arc::new(ledger.standings().clone()));
        let clusters = self.clusters.snapshot();
        for (name, subjects) in &cuts {
            if let Some(cluster) = clusters.by_name.get(name) {
                let cut = cluster.streams.cut(subjects);
                self.metrics.streams_cut.inc_by(cut);
            }
        }
    }
}

#[cfg(test)]
mod tests;
