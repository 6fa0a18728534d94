//! The managed clusters, as the request path sees them: an immutable snapshot behind one pointer,
//! replaced when a watch sees a change. Looking a cluster up takes no lock and asks nobody.

mod accepted_cluster;
mod catalog;
mod cluster;
mod credential;
mod definition;
mod derived;
mod feed;
mod fleet;
mod gossip;
mod health;
mod intake;
mod inventory;
mod journal;
mod kinds;
mod listing;
mod pulse;
pub(crate) mod refusal;
mod reported;
mod secret;
mod sheet;
mod shown;
mod snapshot;
mod token;
mod trouble;
mod virtual_cluster;

use std::{collections::BTreeSet, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use crds::{ClusterName, cluster_core::ClusterGateway};
use parking_lot::Mutex;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use self::{
    catalog::Catalog,
    cluster::MOST_TUNNELS,
    definition::{Definition, Means},
    feed::Feed,
    inventory::{Inventory, Source, revision_of},
    journal::SETTLE,
    pulse::Pulse,
    sheet::Known,
};
pub(crate) use self::{
    cluster::{Access, Cluster, Written},
    credential::Credential,
    definition::Unusable,
    derived::Derivation,
    fleet::Sighting,
    health::{Decision, View},
    journal::{Change, Changes, History, Listed, Unknown, Went},
    kinds::Shown,
    reported::{Keeper, Reportable},
    secret::fuzz as fuzz_secret,
    snapshot::{Absent, Snapshot, Unshown},
};
use crate::{
    metrics::Metrics,
    tunnels::Tunnels,
    upstream::{TlsConfigError, Wanted},
    way::Way,
};

/// The snapshot and the one place that replaces it.
#[derive(Debug)]
pub(crate) struct Clusters {
    snapshot: ArcSwap<Snapshot>,
    /// The source of the snapshot. Only the watches lock it.
    inventory: Mutex<Inventory>,
    /// The snapshot as it is shown. Locked by those who list, get and watch `clustergateways`.
    feed: Mutex<Feed>,
    /// All clusters that the hub knows. Locked by the watches, and by those who list, get and watch
    /// `virtualclusters`.
    catalog: Mutex<Catalog>,
    pulse: Pulse,
    derivation: Option<Derivation>,
    metrics: Metrics,
    tunnels: Tunnels,
    tasks: TaskTracker,
}

impl Clusters {
    /// No clusters yet; `tasks` holds the drivers of their connections. Without a `derivation` only
    /// Secrets of the manual mode make clusters.
    pub(crate) fn new(
        derivation: Option<Derivation>,
        metrics: Metrics,
        tunnels: Tunnels,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            snapshot: ArcSwap::default(),
            inventory: Mutex::default(),
            feed: Mutex::default(),
            catalog: Mutex::new(Catalog::new(Instant::now())),
            pulse: Pulse::default(),
            derivation,
            metrics,
            tunnels,
            tasks,
        }
    }

    /// All clusters as of now.
    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// One cluster as of now. Until everything has been read once, a cluster that cannot be reached
    /// counts as not read yet.
    pub(crate) fn find(&self, name: &ClusterName) -> Result<Arc<Cluster>, Absent> {
        let snapshot = self.snapshot.load();
        match snapshot.by_name.get(name) {
            Some(cluster) if snapshot.complete || cluster.access.is_ok() => Ok(Arc::clone(cluster)),
            _ => Err(snapshot.absence(name)),
        }
    }

    /// One cluster as of now for its agent, which may attach before the cluster is enrolled.
    pub(crate) fn find_for_agent(&self, name: &ClusterName) -> Result<Arc<Cluster>, Absent> {
        self.find(name).or_else(|absent| {
            let snapshot = self.snapshot.load();
            let aside = snapshot.aside.get(name).filter(|_| snapshot.complete);
            aside.map(Arc::clone).ok_or(absent)
        })
    }

    /// All clusters as they are shown; `None` until all have been read once. Waits until the order
    /// of the latest changes is known, so that they are in the list.
    pub(crate) async fn list(&self) -> Option<Listed> {
        let came = self.feed.lock().last_came(&self.snapshot.load());
        if let Some(came) = came {
            sleep_until(came + SETTLE).await;
        }
        self.listed()
    }

    /// All clusters as they are shown now; `None` until all have been read once.
    fn listed(&self) -> Option<Listed> {
        let mut feed = self.feed.lock();
        // The snapshot is loaded under the lock, so that the feed never sees an older one than
        // before.
        let snapshot = self.snapshot.load();
        let now = Instant::now();
        snapshot.complete.then(|| feed.list(&snapshot, now))
    }

    /// One cluster as it is shown.
    pub(crate) fn shown(&self, name: &ClusterName) -> Result<Arc<ClusterGateway>, Unshown> {
        let mut feed = self.feed.lock();
        let cluster = self.find(name)?;
        let shown = feed.one(name, &cluster);
        shown.ok_or_else(|| match &cluster.access {
            Err(unusable) => Unshown::Unreadable(unusable.to_string()),
            Ok(_) => Absent::Unknown.into(),
        })
    }

    /// What has changed in what is shown after a position.
    pub(crate) fn changes(&self, position: u64, now: Instant) -> Result<Changes, Unknown> {
        let mut feed = self.feed.lock();
        feed.after(position, &self.snapshot.load(), now)
    }

    /// Continues a watch that has seen everything up to a revision, here or at another replica.
    pub(crate) fn resume(&self, revision: u64, now: Instant) -> Result<Changes, Unknown> {
        let mut feed = self.feed.lock();
        feed.resume(revision, &self.snapshot.load(), now)
    }

    /// Whether this replica reaches each cluster, as far as it has tried.
    pub(crate) fn reached_here(&self) -> Vec<(ClusterName, bool)> {
        let snapshot = self.snapshot.load();
        let all = snapshot.by_name.iter();
        all.filter_map(|(name, cluster)| Some((name.clone(), cluster.is_reached()?)))
            .collect()
    }

    /// Brings what is known of a cluster's health up to date. An open connection is monitored
    /// anyway; if there is none, this opens one, as a request would.
    pub(crate) async fn probe(&self, name: &ClusterName) {
        let found = self.find(name);
        if let Ok(Ok(access)) = found.as_deref().map(|cluster| &cluster.access) {
            // The way records the result as its health; dialling has its own deadlines.
            let _ = access.way.lease(Wanted::Any).await;
        }
    }

    /// The access to try after the managed cluster rejected a token: with a newer token, which may
    /// arrive a moment later. `None` if none arrives.
    pub(crate) async fn successor(
        &self,
        name: &ClusterName,
        rejected: &Credential,
    ) -> Option<Access> {
        let end = rejected.patience(Instant::now());
        loop {
            let cluster = self.find(name).ok()?;
            if let Some(access) = cluster.newer_than(rejected) {
                return Some(access);
            }
            timeout_at(end, cluster.superseded.cancelled()).await.ok()?;
        }
    }

    /// Replaces everything known from one source by these objects.
    fn reset<S: Source>(&self, objects: &[S::Object]) {
        let mut inventory = self.inventory.lock();
        let entries = objects.iter().filter_map(|object| {
            let cluster = S::cluster(object)?;
            let entry = S::read(&cluster, object, &self.tunnels)?;
            let revision = revision_of(object);
            Some((cluster, Known { entry, revision }))
        });
        let mut touched = S::sheet(&mut inventory).replace(entries.collect());
        if S::IS_OPTIONAL {
            // What is not in it counts only from its first list on.
            touched.extend(inventory.registered().cloned());
        }
        info!(objects = objects.len(), "{} listed", S::WHAT);
        let newest = objects.iter().map(revision_of).max().unwrap_or_default();
        let came = self.reach(newest);
        self.rebuild(&inventory, touched, came);
    }

    /// Notes that the hub does not have this kind of object.
    fn has_no_kind<S: Source>(&self) {
        let mut inventory = self.inventory.lock();
        S::sheet(&mut inventory).has_no_kind();
        self.rebuild(&inventory, BTreeSet::new(), Instant::now());
    }

    /// Adds or replaces one object.
    fn apply<S: Source>(&self, object: &S::Object) {
        let Some(cluster) = S::cluster(object) else {
            return;
        };
        let entry = S::read(&cluster, object, &self.tunnels);
        self.set::<S>(cluster, entry, revision_of(object));
    }

    /// Forgets an object that is gone or no longer of its source.
    fn remove<S: Source>(&self, object: &S::Object) {
        if let Some(cluster) = S::cluster(object) {
            self.set::<S>(cluster, None, revision_of(object));
        }
    }

    /// The revision of a deleted object is that of its deletion.
    fn set<S: Source>(&self, cluster: ClusterName, entry: Option<S::Entry>, revision: u64) {
        let mut inventory = self.inventory.lock();
        let known = entry.map(|entry| Known { entry, revision });
        S::sheet(&mut inventory).set(cluster.clone(), known);
        let came = self.reach(revision);
        self.rebuild(&inventory, [cluster].into(), came);
    }

    /// Publishes a snapshot in which these clusters are as the inventory has them.
    fn rebuild(&self, inventory: &Inventory, touched: BTreeSet<ClusterName>, came: Instant) {
        let old = self.snapshot.load();
        let (mut by_name, mut left_out) = (old.by_name.clone(), old.left_out.clone());
        let mut aside = old.aside.clone();
        let (mut replaced, mut gone) = (Vec::new(), Vec::new());
        for name in touched {
            let derivation = self.derivation.as_ref();
            let served = by_name.remove(&name);
            let known = aside.remove(&name).or_else(|| served.clone());
            left_out.remove(&name);
            let definition = inventory.definition(&name, derivation, &self.tunnels);
            let is_served = definition.is_some() && !inventory.is_unwanted(&name);
            let served_as = definition.as_ref().filter(|_| is_served);
            let listed = inventory.virtual_cluster(&name, served_as);
            self.catalog.lock().set(name.clone(), listed, came);
            // Nothing of a cluster that was served outlives that.
            let ends = definition.is_none() || !is_served && served.is_some();
            if let Some(known) = known.as_ref().filter(|_| ends) {
                self.forget(&name);
                gone.push(known.gone.clone());
            }
            if let Some(definition) = definition {
                let written = Written {
                    revision: inventory.revision(&name),
                    came,
                };
                let kept = known.as_deref().filter(|_| !ends);
                let cluster = Arc::new(self.cluster(&name, kept, definition, written));
                if is_served {
                    warn_of_unusable(&name, served.as_deref(), &cluster);
                    by_name.insert(name.clone(), cluster);
                } else {
                    aside.insert(name.clone(), cluster);
                }
            }
            if !is_served {
                let why = derivation.and_then(|it| inventory.left_out(&name, it));
                left_out.extend(why.map(|why| (name, why)));
            }
            replaced.extend(known);
        }
        let derives = self.derivation.is_some();
        self.catalog
            .lock()
            .complete(inventory.are_all_listed(derives));
        self.metrics
            .clusters
            .set(by_name.len().try_into().unwrap_or(i64::MAX));
        self.snapshot.store(Arc::new(Snapshot {
            by_name,
            aside,
            left_out,
            complete: inventory.is_listed(derives),
            came: Some(came),
        }));
        for cluster in replaced {
            cluster.superseded.cancel();
        }
        for gone in gone {
            gone.cancel();
        }
    }

    fn forget(&self, name: &ClusterName) {
        info!(cluster = %name, "managed cluster is gone");
        self.metrics.forget(name);
        self.tunnels.forget(name);
    }

    fn cluster(
        &self,
        name: &ClusterName,
        known: Option<&Cluster>,
        definition: Definition,
        written: Written,
    ) -> Cluster {
        let Definition {
            object,
            addresses,
            listing: _,
            version,
            registered,
            means,
        } = definition;
        let old = known.and_then(|known| known.access.as_ref().ok());
        let gone = known.map_or_else(CancellationToken::new, |known| known.gone.clone());
        let access = means.and_then(|means| self.access(old, means, &gone));
        Cluster {
            written,
            object,
            version,
            registered,
            access,
            metrics: known.map_or_else(|| self.metrics.of(name), |known| known.metrics.clone()),
            streams: known.map_or_else(Arc::default, |known| Arc::clone(&known.streams)),
            seats: known.map_or_else(Arc::default, |known| Arc::clone(&known.seats)),
            breaker: known.map_or_else(Arc::default, |known| Arc::clone(&known.breaker)),
            trouble: known.map_or_else(Arc::default, |known| Arc::clone(&known.trouble)),
            rights: known.map_or_else(Arc::default, |known| Arc::clone(&known.rights)),
            tunnels: known.map_or_else(
                || Arc::new(Semaphore::new(MOST_TUNNELS)),
                |known| Arc::clone(&known.tunnels),
            ),
            addresses,
            superseded: CancellationToken::new(),
            gone,
        }
    }

    /// Keeps the connections to all places that did not change. Tokens are not part of a
    /// connection.
    fn access(
        &self,
        old: Option<&Access>,
        means: Means,
        gone: &CancellationToken,
    ) -> Result<Access, Unusable> {
        let Means {
            places,
            authorization,
            renewed,
        } = means;
        let way = match old {
            Some(old) => old.way.moved(places),
            None => Way::new(places, self.tasks.clone(), gone.clone()).map(Arc::new),
        }
        .map_err(|fault: TlsConfigError| Unusable::Tls(fault.to_string()))?;
        let credential = authorization.map(|authorization| {
            let known = old.and_then(|old| old.credential.as_ref());
            match known.filter(|known| known.authorization == authorization) {
                Some(known) => Arc::clone(known),
                None => Arc::new(Credential::new(authorization, renewed)),
            }
        });
        Ok(Access { way, credential })
    }
}

/// Says of a cluster that is served why it cannot be reached, if that is news.
fn warn_of_unusable(name: &ClusterName, before: Option<&Cluster>, now: &Cluster) {
    if let Err(unusable) = &now.access
        && before.is_none_or(|before| before.access.as_ref().err() != Some(unusable))
    {
        warn!(cluster = %name, "managed cluster cannot be reached: {unusable}");
    }
}

#[cfg(test)]
pub(crate) mod tests;
