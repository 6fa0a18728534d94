//! The managed clusters, as the request path sees them: an immutable snapshot behind one pointer,
//! replaced when a watch sees a change. Looking a cluster up takes no lock and asks nobody.

mod credential;
mod definition;
mod derived;
mod feed;
mod inventory;
pub(crate) mod refusal;
mod registration;
mod secret;
mod sheet;
mod shown;
mod token;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arc_swap::{ArcSwap, Guard};
use crds::{
    ClusterName,
    cluster_core::{ClusterGateway, ConstEndpoint},
};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

pub(crate) use self::{
    credential::Credential,
    definition::Unusable,
    derived::Derivation,
    feed::{Change, Expired, Listed},
    watch::{follow, follow_registrations, follow_tokens},
};
use self::{
    definition::{Definition, Means},
    feed::Feed,
    inventory::{Inventory, Source},
};
use crate::{
    acting::Streams,
    metrics::{ClusterMetrics, Metrics},
    tunnels::Tunnels,
    upstream::{TlsConfigError, Way},
};

/// One managed cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// As its source shows it; absent when that is too broken to show.
    pub(crate) object: Option<ClusterGateway>,
    /// What its requests take, or why there are none.
    pub(crate) access: Result<Access, Unusable>,
    /// Where its requests are counted.
    pub(crate) metrics: ClusterMetrics,
    /// Those of its requests that last.
    pub(crate) streams: Arc<Streams>,
    /// The addresses to show while they are used.
    addresses: Vec<ConstEndpoint>,
    /// A newer snapshot has another one, or none.
    superseded: CancellationToken,
}

/// What a request takes to its managed cluster.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Where to send it.
    pub(crate) way: Arc<Way>,
    /// The token to send, if that is the credential.
    pub(crate) credential: Option<Arc<Credential>>,
}

/// All managed clusters at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// By name, in the order that lists have.
    pub(crate) by_name: BTreeMap<ClusterName, Arc<Cluster>>,
    /// Every source has been listed: what is not in here does not exist.
    pub(crate) complete: bool,
}

/// Why there is no such cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Absent {
    #[error("the hub has no managed cluster of this name")]
    Unknown,
    /// The gateway has just started: it may exist all the same.
    #[error("not all managed clusters have been read from the hub yet")]
    NotReadYet,
}

/// Why a cluster is not shown.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Unshown {
    #[error(transparent)]
    Absent(#[from] Absent),
    /// Its source is too broken to show.
    #[error("{0}")]
    Unreadable(String),
}

/// The snapshot and the one place that replaces it.
#[derive(Debug)]
pub(crate) struct Clusters {
    snapshot: ArcSwap<Snapshot>,
    /// What the snapshot is made of. Locked by the watches alone.
    inventory: Mutex<Inventory>,
    /// What of the snapshot is shown. Locked by those who list, get and watch `clustergateways`.
    feed: Mutex<Feed>,
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
        begin: Timestamp,
    ) -> Self {
        Self {
            snapshot: ArcSwap::default(),
            inventory: Mutex::default(),
            feed: Mutex::new(Feed::new(begin)),
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

    /// One cluster as of now. Until everything has been read once, what does not work yet is not
    /// taken for an answer.
    pub(crate) fn find(&self, name: &ClusterName) -> Result<Arc<Cluster>, Absent> {
        let snapshot = self.snapshot.load();
        let absent = if snapshot.complete {
            Absent::Unknown
        } else {
            Absent::NotReadYet
        };
        let cluster = snapshot.by_name.get(name).ok_or(absent)?;
        if cluster.access.is_err() && !snapshot.complete {
            return Err(absent);
        }
        Ok(Arc::clone(cluster))
    }

    /// All clusters as they are shown; nothing before all have been read once.
    pub(crate) fn listed(&self) -> Option<Listed> {
        let mut feed = self.feed.lock();
        // Read in here, so that the feed never goes back.
        let snapshot = self.snapshot.load();
        snapshot.complete.then(|| feed.list(&snapshot))
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

    /// What has changed in what is shown since a revision.
    pub(crate) fn changes(&self, revision: u64, now: Instant) -> Result<Vec<Change>, Expired> {
        let mut feed = self.feed.lock();
        feed.after(revision, &self.snapshot.load(), now)
    }

    /// Sees to it that what is known of a cluster's health is of now: a connection that is open is
    /// watched over, and where there is none, one is made, as a request would.
    pub(crate) async fn probe(&self, name: &ClusterName) {
        let found = self.find(name);
        if let Ok(Ok(access)) = found.as_deref().map(|cluster| &cluster.access) {
            // How it went is in the health of the way; dialling has deadlines of its own.
            let _ = access.way.lease().await;
        }
    }

    /// Replaces everything known from one source by these objects.
    fn reset<S: Source>(&self, objects: &[S::Object]) {
        let mut inventory = self.inventory.lock();
        let entries = objects.iter().filter_map(|object| {
            let cluster = S::cluster(object)?;
            let entry = S::read(&cluster, object, &self.tunnels)?;
            Some((cluster, entry))
        });
        let touched = S::sheet(&mut inventory).replace(entries.collect());
        info!(objects = objects.len(), "{} listed", S::WHAT);
        self.rebuild(&inventory, touched);
    }

    /// Notes that the hub does not have this kind of object.
    fn has_no_kind<S: Source>(&self) {
        let mut inventory = self.inventory.lock();
        S::sheet(&mut inventory).has_no_kind();
        self.rebuild(&inventory, BTreeSet::new());
    }

    /// Takes in one new or changed object.
    fn apply<S: Source>(&self, object: &S::Object) {
        let Some(cluster) = S::cluster(object) else {
            return;
        };
        let entry = S::read(&cluster, object, &self.tunnels);
        self.set::<S>(cluster, entry);
    }

    /// Forgets an object that is gone or no longer of its source.
    fn remove<S: Source>(&self, object: &S::Object) {
        if let Some(cluster) = S::cluster(object) {
            self.set::<S>(cluster, None);
        }
    }

    fn set<S: Source>(&self, cluster: ClusterName, entry: Option<S::Entry>) {
        let mut inventory = self.inventory.lock();
        S::sheet(&mut inventory).set(cluster.clone(), entry);
        self.rebuild(&inventory, [cluster].into());
    }

    /// Publishes a snapshot in which these clusters are as the inventory has them.
    fn rebuild(&self, inventory: &Inventory, touched: BTreeSet<ClusterName>) {
        let old = self.snapshot.load();
        let mut by_name = old.by_name.clone();
        let mut replaced = Vec::new();
        for name in touched {
            let derivation = self.derivation.as_ref();
            let known = by_name.remove(&name);
            match inventory.definition(&name, derivation, &self.tunnels) {
                Some(definition) => {
                    let cluster = self.cluster(&name, known.as_deref(), definition);
                    by_name.insert(name, Arc::new(cluster));
                }
                None if known.is_some() => self.forget(&name),
                None => {}
            }
            replaced.extend(known);
        }
        let gone = |cluster: &Cluster| !by_name.contains_key(&cluster.metrics.cluster().0);
        let gone: Vec<_> = replaced.iter().filter(|it| gone(it)).cloned().collect();
        self.metrics
            .clusters
            .set(by_name.len().try_into().unwrap_or(i64::MAX));
        self.snapshot.store(Arc::new(Snapshot {
            by_name,
            complete: inventory.is_listed(self.derivation.is_some()),
        }));
        for cluster in replaced {
            cluster.superseded.cancel();
        }
        for cluster in gone {
            if let Ok(access) = &cluster.access {
                access.way.gone().cancel();
            }
        }
    }

    fn forget(&self, name: &ClusterName) {
        info!(cluster = %name, "managed cluster is gone");
        self.metrics.forget(name);
    }

    fn cluster(
        &self,
        name: &ClusterName,
        known: Option<&Cluster>,
        definition: Definition,
    ) -> Cluster {
        let Definition {
            object,
            addresses,
            means,
        } = definition;
        let old = known.and_then(|known| known.access.as_ref().ok());
        let access = means.and_then(|means| self.access(old, means));
        if let Err(unusable) = &access
            && known.is_none_or(|known| known.access.as_ref().err() != Some(unusable))
        {
            warn!(cluster = %name, "managed cluster cannot be reached: {unusable}");
        }
        Cluster {
            object,
            access,
            metrics: known.map_or_else(|| self.metrics.of(name), |known| known.metrics.clone()),
            streams: known.map_or_else(Arc::default, |known| Arc::clone(&known.streams)),
            addresses,
            superseded: CancellationToken::new(),
        }
    }

    /// Keeps the connections to all places that did not change; a token is no part of them.
    fn access(&self, old: Option<&Access>, means: Means) -> Result<Access, Unusable> {
        let Means {
            places,
            authorization,
            renewed,
        } = means;
        let way = match old {
            Some(old) => old.way.moved(places),
            None => Way::new(places, self.tasks.clone()).map(Arc::new),
        };
        let way = way.map_err(|fault: TlsConfigError| Unusable::Tls(fault.to_string()))?;
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::args::Egress;
    use crate::{
        clusters::{
            derived::tests::{account_secret, derivation, managed_cluster},
            inventory::{Manual, Registrations, Tokens},
            secret::tests::{secret, token_secret},
        },
        upstream::Upstream,
    };

    pub(super) fn clusters() -> Clusters {
        deriving(None)
    }

    /// Clusters of these names.
    pub(crate) fn given(names: &[&str]) -> Arc<Clusters> {
        let clusters = clusters();
        for name in names {
            clusters.apply::<Manual>(&token_secret(name));
        }
        Arc::new(clusters)
    }

    /// Takes one away.
    pub(crate) fn gone(clusters: &Clusters, name: &str) {
        clusters.remove::<Manual>(&token_secret(name));
    }

    fn deriving(derivation: Option<Derivation>) -> Clusters {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        let tasks = TaskTracker::new();
        let tunnels = Tunnels::new(0, 0);
        let clusters = Clusters::new(derivation, metrics, tunnels, tasks, Timestamp::UNIX_EPOCH);
        clusters.reset::<Manual>(&[]);
        clusters
    }

    fn access(clusters: &Clusters, name: &str) -> Access {
        let cluster = clusters.find(&name.parse().unwrap()).unwrap();
        cluster.access.clone().unwrap()
    }

    fn upstream(clusters: &Clusters, name: &str) -> Arc<Upstream> {
        access(clusters, name).way.current()
    }

    #[tokio::test]
    async fn a_new_token_keeps_connections_and_a_new_address_does_not() {
        let clusters = clusters();
        let mut given = token_secret("managed1");
        clusters.apply::<Manual>(&given);
        let (first, token) = (
            upstream(&clusters, "managed1"),
            access(&clusters, "managed1"),
        );

        let annotations = given.metadata.annotations.get_or_insert_default();
        annotations.insert("note".into(), "x".into());
        clusters.apply::<Manual>(&given);
        clusters.reset::<Manual>(std::slice::from_ref(&given));
        assert!(Arc::ptr_eq(&first, &upstream(&clusters, "managed1")));
        let same = |a: &Access, b: &Access| match (&a.credential, &b.credential) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => panic!("there is a token"),
        };
        assert!(same(&token, &access(&clusters, "managed1")));

        set(&mut given, "token", "another");
        clusters.apply::<Manual>(&given);
        assert!(Arc::ptr_eq(&first, &upstream(&clusters, "managed1")));
        assert!(!same(&token, &access(&clusters, "managed1")));

        set(&mut given, "endpoint", "https://10.0.0.2:6443");
        clusters.apply::<Manual>(&given);
        assert!(!Arc::ptr_eq(&first, &upstream(&clusters, "managed1")));
    }

    pub(super) fn set(secret: &mut k8s_openapi::api::core::v1::Secret, key: &str, value: &str) {
        let value = k8s_openapi::ByteString(value.as_bytes().to_vec());
        let data = secret.data.get_or_insert_default();
        data.insert(key.to_owned(), value);
    }

    #[tokio::test]
    async fn connections_end_with_their_cluster_and_not_with_its_address() {
        let clusters = clusters();
        let mut given = token_secret("managed1");
        clusters.apply::<Manual>(&given);
        let way = access(&clusters, "managed1").way;
        set(&mut given, "endpoint", "https://10.0.0.2:6443");
        clusters.apply::<Manual>(&given);
        assert!(!way.gone().is_cancelled());
        clusters.remove::<Manual>(&given);
        assert!(way.gone().is_cancelled());
    }

    #[tokio::test]
    async fn one_broken_secret_disturbs_no_other() {
        let clusters = clusters();
        let broken = secret("broken", &[("token", "t")]);
        clusters.reset::<Manual>(&[token_secret("managed1"), broken, token_secret("Bad_Name")]);
        upstream(&clusters, "managed1");
        let broken = clusters.find(&"broken".parse().unwrap()).unwrap();
        let message = broken.access.as_ref().unwrap_err().to_string();
        assert!(
            message.contains("credentials/broken") && message.contains("endpoint"),
            "{message}"
        );
        assert_eq!(clusters.snapshot().by_name.len(), 2);
    }

    #[tokio::test]
    async fn forgets_what_is_deleted() {
        let clusters = clusters();
        clusters.reset::<Manual>(&[token_secret("a"), token_secret("b"), token_secret("c")]);
        clusters.remove::<Manual>(&token_secret("a"));
        clusters.reset::<Manual>(&[token_secret("b")]);
        let names: Vec<_> = clusters
            .snapshot()
            .by_name
            .keys()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["b"]);
    }

    fn bearer(clusters: &Clusters, name: &str) -> String {
        let credential = access(clusters, name).credential.unwrap();
        credential.authorization.to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_cluster_is_derived_while_both_objects_are_there_and_a_manual_secret_wins() {
        let clusters = deriving(Some(derivation(Egress::Direct)));
        let name = "managed1".parse().unwrap();
        let registered = managed_cluster("managed1", &["https://10.0.0.9:6443"]);
        let account = account_secret("managed1", "derived");
        clusters.reset::<Tokens>(std::slice::from_ref(&account));
        assert_eq!(clusters.find(&name).unwrap_err(), Absent::NotReadYet);
        clusters.reset::<Registrations>(std::slice::from_ref(&registered));
        assert_eq!(bearer(&clusters, "managed1"), "Bearer derived");

        let manual = token_secret("managed1");
        clusters.apply::<Manual>(&manual);
        assert_eq!(bearer(&clusters, "managed1"), "Bearer hunter2");
        clusters.remove::<Manual>(&manual);
        assert_eq!(bearer(&clusters, "managed1"), "Bearer derived");

        clusters.remove::<Tokens>(&account);
        let unusable = clusters.find(&name).unwrap();
        assert!(unusable.access.is_err() && clusters.shown(&name).is_ok());
        clusters.reset::<Tokens>(&[account]);
        let way = access(&clusters, "managed1").way;

        let mut denied = registered.clone();
        denied.spec.hub_accepts_client = false;
        clusters.apply::<Registrations>(&denied);
        assert_eq!(clusters.find(&name).unwrap_err(), Absent::Unknown);
        assert!(way.gone().is_cancelled());
        clusters.apply::<Registrations>(&registered);
        clusters.remove::<Registrations>(&registered);
        assert!(clusters.find(&name).is_err());
    }

    #[tokio::test]
    async fn nothing_is_derived_unless_asked_for() {
        let clusters = clusters();
        clusters.apply::<Tokens>(&account_secret("managed1", "derived"));
        clusters.apply::<Registrations>(&managed_cluster("managed1", &["https://10.0.0.9"]));
        assert!(clusters.snapshot().by_name.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejected_token_is_given_up_for_its_successor() {
        let clusters = Arc::new(deriving(Some(derivation(Egress::Direct))));
        let name: ClusterName = "managed1".parse().unwrap();
        clusters.apply::<Registrations>(&managed_cluster("managed1", &["https://10.0.0.9"]));
        clusters.apply::<Tokens>(&account_secret("managed1", "first"));
        let first = access(&clusters, "managed1").credential.unwrap();
        let rotate = async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            // Another change of the cluster is no new token.
            clusters.apply::<Registrations>(&managed_cluster("managed1", &["https://10.0.0.8"]));
            clusters.apply::<Tokens>(&account_secret("managed1", "second"));
        };
        let (successor, ()) = tokio::join!(clusters.successor(&name, &first), rotate);
        let second = successor.unwrap().credential.unwrap();
        assert_eq!(second.authorization, "Bearer second");

        // Nobody brings another one: the first to see that waits, the next ones do not.
        let begin = Instant::now();
        assert!(clusters.successor(&name, &second).await.is_none());
        let waited = begin.elapsed();
        assert!(clusters.successor(&name, &second).await.is_none());
        assert!(
            waited.as_secs() == 5 && begin.elapsed() == waited,
            "{waited:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_manual_token_is_renewed_by_nobody() {
        let clusters = clusters();
        let name: ClusterName = "managed1".parse().unwrap();
        clusters.apply::<Manual>(&token_secret("managed1"));
        let token = access(&clusters, "managed1").credential.unwrap();
        let begin = Instant::now();
        assert!(clusters.successor(&name, &token).await.is_none());
        assert!(begin.elapsed().is_zero());
    }
}
