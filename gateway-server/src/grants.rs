//! Identity by `AccessGrant`s: which identity a caller acts as on a managed cluster. The result of
//! all grants is one immutable snapshot behind one pointer; a request reads it without a lock. When
//! it changes, the streams of callers who may no longer do what they do end.

mod bounds;
mod claim;
mod decision;
mod fuzz;
mod ledger;
mod mine;
mod reading;
mod standings;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use crds::{
    ClusterName,
    cluster_core::MyGrant,
    gateway::{AccessGrant, Caps},
};
use jiff::Timestamp;
use kube::ResourceExt as _;
use kubernetes::clock::now;
use parking_lot::Mutex;

pub(crate) use self::{decision::Denied, fuzz::fuzz};
use self::{
    decision::{decide, falls_back},
    ledger::{Changed, Ledger},
    reading::Reading,
    standings::Standings,
};
#[cfg(test)]
pub(crate) use self::{
    reading::{Obstacle, State},
    tests::{applied, grant},
};
use crate::{
    acting::{Acting, Streams, Tether},
    authentication::User,
    authorization::Question,
    clusters::Clusters,
    hub_clock::HubClock,
    identities::Identities,
    metrics::Metrics,
};

/// The grants, and the only place that changes them.
#[derive(Debug)]
pub(crate) struct Grants {
    identities: Identities,
    standings: ArcSwap<Standings>,
    /// The source of the snapshot. Only the watch and the clock lock it.
    ledger: Mutex<Ledger>,
    /// Where streams are cut.
    clusters: Arc<Clusters>,
    metrics: Metrics,
    clock: HubClock,
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
    pub(crate) fn new(
        identities: Identities,
        clusters: Arc<Clusters>,
        metrics: Metrics,
        clock: HubClock,
    ) -> Self {
        Self {
            clock,
            standings: ArcSwap::default(),
            ledger: Mutex::new(Ledger::new(identities.prefix.clone())),
            identities,
            clusters,
            metrics,
        }
    }

    /// The time by which grants end.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.at(now())
    }

    /// Decides which identity a caller acts as on a cluster. A long-lived request passes the
    /// cluster's `streams`, to be tied to that identity there.
    pub(crate) fn admit(
        &self,
        question: &Arc<Question>,
        cluster: &ClusterName,
        streams: Option<&Streams>,
    ) -> Result<Admitted, Denied> {
        loop {
            let standings = self.standings.load();
            let acting = decide(&question.user, cluster, &standings, &self.identities)?;
            let tether = streams.map(|streams| {
                let acting = Some(acting.clone());
                streams.tie(Arc::clone(question), acting)
            });
            // The snapshot changed before the stream was tied, so its review may have missed
            // the stream: decide again by the newer snapshot.
            if tether.is_none() || Arc::ptr_eq(&standings, &self.standings.load()) {
                return Ok(Admitted { acting, tether });
            }
        }
    }

    /// Whether nobody acts as the gateway's account on a cluster. False while that is not known.
    pub(crate) fn leave_account_idle(&self, cluster: &ClusterName) -> bool {
        let standings = self.standings.load();
        standings.use_is_known && !falls_back(cluster, &standings, &self.identities)
    }

    /// What a caller has on which clusters.
    pub(crate) fn of_caller(&self, caller: &User) -> BTreeMap<ClusterName, Vec<MyGrant>> {
        mine::mine(&self.ledger.lock(), caller)
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
            let mut changed = Changed::new();
            ledger.set(name, reading, now, &mut changed);
            changed
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

    /// The most that may be granted, by the configuration.
    pub(crate) fn set_caps(&self, caps: Caps, now: Timestamp) {
        self.change(|ledger| ledger.set_caps(caps, now));
    }

    /// The labels of all clusters.
    pub(crate) fn replace_labels(
        &self,
        labels: HashMap<ClusterName, BTreeMap<String, String>>,
        now: Timestamp,
    ) {
        self.change(|ledger| ledger.replace_labels(labels, now));
    }

    /// The labels of this cluster.
    pub(crate) fn set_labels(
        &self,
        cluster: &ClusterName,
        labels: BTreeMap<String, String>,
        now: Timestamp,
    ) {
        // A ManagedCluster changes every few minutes, its labels hardly ever.
        if self.ledger.lock().labels_of(cluster) != &labels {
            self.change(|ledger| ledger.set_labels(cluster, labels, now));
        }
    }

    /// A grant was ever used on exactly these clusters.
    pub(crate) fn replace_used(&self, clusters: HashSet<ClusterName>) {
        self.change(|ledger| ledger.replace_used(clusters));
    }

    /// Whether a grant was ever used on this cluster.
    pub(crate) fn set_used(&self, cluster: &ClusterName, is_used: bool) {
        self.change(|ledger| ledger.set_used(cluster, is_used));
    }

    /// Publishes the result of a change before it ends streams, so that a caller who reconnects
    /// meets the new snapshot.
    fn change(&self, change: impl FnOnce(&mut Ledger) -> Changed) {
        let mut ledger = self.ledger.lock();
        let changed = change(&mut ledger);
        let standings = Arc::new(ledger.standings().clone());
        self.standings.store(Arc::clone(&standings));
        let clusters = self.clusters.snapshot();
        for name in &changed {
            let Some(cluster) = clusters.by_name.get(name) else {
                continue;
            };
            let may_act = |caller: &User| decide(caller, name, &standings, &self.identities).ok();
            let cut = cluster.streams.review(may_act);
            self.metrics.streams_cut.inc_by(cut);
        }
    }
}

#[cfg(test)]
mod tests;
