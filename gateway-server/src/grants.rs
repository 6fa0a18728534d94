//! Identity by `AccessGrant`s: which identity a caller acts as on a managed cluster. The result of
//! all grants is one immutable snapshot behind one pointer; a request reads it without a lock. When
//! a subject loses its standing on a cluster, its streams there end.

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

/// The grants, and the only place that changes them.
#[derive(Debug)]
pub(crate) struct Grants {
    standings: ArcSwap<Standings>,
    /// The source of the snapshot. Only the watch and the clock lock it.
    ledger: Mutex<Ledger>,
    /// Where streams are cut.
    clusters: Arc<Clusters>,
    metrics: Metrics,
}

/// A request that may go on.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) acting: Acting,
    /// Ends it, if it is long-lived.
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

    /// Decides which identity a caller acts as on a cluster. A long-lived request passes the
    /// cluster's `streams`, to be tied to that identity there.
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
            // The snapshot changed before the stream was tied, so its cut may have missed the
            // stream: decide again by the newer snapshot.
            if tether.is_none() || Arc::ptr_eq(&standings, &self.standings.load()) {
                return Ok(Admitted { acting, tether });
            }
        }
    }

    /// Replaces all grants by these.
    pub(crate) fn replace(&self, grants: &[AccessGrant], now: Timestamp) {
        let all = grants
            .iter()
            .map(|it| (it.name_any(), Reading::of(it)))
            .collect();
        self.change(|ledger| ledger.replace(all, now));
    }

    /// Adds or replaces one grant, or removes it.
    pub(crate) fn set(&self, name: &str, grant: Option<&AccessGrant>, now: Timestamp) {
        let reading = grant.map(Reading::of);
        self.change(|ledger| {
            let mut cuts = Cuts::new();
            ledger.set(name, reading, now, &mut cuts);
            cuts
        });
    }

    /// Ends the grants that have expired, and returns when the next one will.
    pub(crate) fn pass(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.ledger.lock().next_end()?;
        if next > now {
            return Some(next);
        }
        self.change(|ledger| ledger.pass(now));
        self.ledger.lock().next_end()
    }

    /// Publishes the result of a change before it cuts streams, so that a caller who reconnects
    /// meets the new snapshot.
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
