//! The managed clusters, as the request path sees them: an immutable snapshot behind one pointer,
//! replaced by the watch on Secrets. Looking a cluster up takes no lock and asks nobody.

mod secret;
mod watch;

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::{ArcSwap, Guard};
use crds::{
    ClusterName, ServiceAddress,
    cluster_core::{ClusterGateway, ClusterGatewayStatus},
};
use k8s_openapi::api::core::v1::Secret;
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use self::secret::{Definition, Fault};
pub(crate) use self::watch::follow;
use crate::{
    metrics::{ClusterMetrics, Metrics},
    tunnels::{TunnelError, Tunnels},
    upstream::{Dialer, Health, Target, TlsConfigError, Upstream},
};

/// One managed cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// As `clustergateways` shows it; absent when its Secret is too broken to show.
    pub(crate) object: Option<ClusterGateway>,
    /// The way there, or why there is none.
    pub(crate) way: Result<Arc<Upstream>, Unusable>,
    /// Where its requests are counted.
    pub(crate) metrics: ClusterMetrics,
    /// The ways to its exposed services, made when first asked for.
    services: Mutex<BTreeMap<ServiceAddress, Arc<Upstream>>>,
    /// Holds the drivers of their connections.
    tasks: TaskTracker,
}

impl Cluster {
    /// The way to a service of the cluster: through its tunnel, and nothing where it has none. The
    /// caller has checked that the service is exposed, which bounds how many there are.
    pub(crate) fn service(&self, service: &ServiceAddress) -> Option<Arc<Upstream>> {
        let Dialer::Tunnel(tunnel) = &self.way.as_ref().ok()?.target.dialer else {
            return None;
        };
        let mut services = self.services.lock();
        if let Some(known) = services.get(service) {
            return Some(Arc::clone(known));
        }
        let authority = format!("{}:{}", service.host(), service.port());
        let target = Target {
            authority: authority
                .parse()
                .expect("labels and a port are an authority"),
            base_path: String::new(),
            dialer: Dialer::Tunnel(tunnel.service(service)),
            tls: None,
            authorization: None,
        };
        let upstream =
            Upstream::new(target, self.tasks.clone()).expect("no TLS, so no fault in it");
        let upstream = Arc::new(upstream);
        services.insert(service.clone(), Arc::clone(&upstream));
        Some(upstream)
    }

    /// The object to show, with what is known of its health by now: what this gateway last saw, or
    /// else what the Secret says.
    pub(crate) fn shown(&self) -> Option<ClusterGateway> {
        let mut object = self.object.clone()?;
        if let Ok(upstream) = &self.way
            && let Some(seen) = seen(upstream)
        {
            object.status = Some(seen);
        }
        Some(object)
    }
}

fn seen(upstream: &Upstream) -> Option<ClusterGatewayStatus> {
    let unhealthy = |reason: String| ClusterGatewayStatus {
        healthy: false,
        healthy_reason: reason,
    };
    let healthy = Some(ClusterGatewayStatus {
        healthy: true,
        healthy_reason: String::new(),
    });
    match (&upstream.target.dialer, upstream.health()) {
        (Dialer::Tunnel(tunnel), _) if tunnel.status().is_none() => {
            Some(unhealthy(TunnelError::Absent.to_string()))
        }
        (_, Health::Failing { error, since }) => {
            Some(unhealthy(format!("{error} (so since {since:.0})")))
        }
        (Dialer::Tunnel(_), _) | (_, Health::Good) => healthy,
        (_, Health::Unknown) => None,
    }
}

/// A managed cluster whose Secret no request can be sent with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("Secret {secret} is unusable: {fault}")]
pub(crate) struct Unusable {
    /// Namespace and name.
    pub(crate) secret: String,
    /// What is wrong with it.
    pub(crate) fault: String,
}

/// All managed clusters at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// By name, in the order that lists have.
    pub(crate) by_name: BTreeMap<ClusterName, Arc<Cluster>>,
    /// The newest resource version seen, for lists.
    pub(crate) resource_version: String,
}

/// The snapshot and the one place that replaces it.
#[derive(Debug)]
pub(crate) struct Clusters {
    snapshot: ArcSwap<Snapshot>,
    metrics: Metrics,
    tunnels: Tunnels,
    tasks: TaskTracker,
}

impl Clusters {
    /// No clusters yet; `tasks` holds the drivers of their connections.
    pub(crate) fn new(metrics: Metrics, tunnels: Tunnels, tasks: TaskTracker) -> Self {
        Self {
            snapshot: ArcSwap::default(),
            metrics,
            tunnels,
            tasks,
        }
    }

    /// All clusters as of now.
    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// One cluster as of now.
    pub(crate) fn find(&self, name: &ClusterName) -> Option<Arc<Cluster>> {
        self.snapshot.load().by_name.get(name).cloned()
    }

    /// Sees to it that what is known of a cluster's health is of now: a connection that is open is
    /// watched over, and where there is none, one is made, as a request would.
    pub(crate) async fn probe(&self, name: &ClusterName) {
        let way = self.find(name).and_then(|cluster| cluster.way.clone().ok());
        if let Some(upstream) = way {
            // How it went is in the upstream's health; dialling has deadlines of its own.
            let _ = upstream.lease().await;
        }
    }

    /// Replaces everything known by these Secrets.
    fn reset(&self, secrets: &[Secret]) {
        let old = self.snapshot.load();
        let mut new = Snapshot::default();
        for secret in secrets {
            self.insert(&mut new, &old, secret);
        }
        for name in old
            .by_name
            .keys()
            .filter(|name| !new.by_name.contains_key(*name))
        {
            self.forget(name);
        }
        info!(clusters = new.by_name.len(), "managed clusters listed");
        self.publish(new);
    }

    /// Takes in one new or changed Secret.
    fn apply(&self, secret: &Secret) {
        let old = self.snapshot.load();
        let mut new = Snapshot {
            by_name: old.by_name.clone(),
            ..Snapshot::default()
        };
        self.insert(&mut new, &old, secret);
        self.publish(new);
    }

    /// Forgets the cluster of a Secret that is gone or no longer a cluster's.
    fn remove(&self, secret: &Secret) {
        let name = secret.metadata.name.as_deref().unwrap_or_default();
        let old = self.snapshot.load();
        let mut by_name = old.by_name.clone();
        let Some((name, _)) = by_name.remove_entry(name) else {
            return;
        };
        self.forget(&name);
        let resource_version = secret.metadata.resource_version.clone().unwrap_or_default();
        self.publish(Snapshot {
            by_name,
            resource_version,
        });
    }

    fn forget(&self, name: &ClusterName) {
        info!(cluster = %name, "managed cluster is gone");
        self.metrics.forget(name);
    }

    fn publish(&self, snapshot: Snapshot) {
        self.metrics
            .clusters
            .set(snapshot.by_name.len().try_into().unwrap_or(i64::MAX));
        self.snapshot.store(Arc::new(snapshot));
    }

    fn insert(&self, new: &mut Snapshot, old: &Snapshot, secret: &Secret) {
        if let Some(version) = newer(&new.resource_version, secret) {
            new.resource_version = version;
        }
        let Definition {
            name,
            object,
            target,
        } = match Definition::read(secret, &self.tunnels) {
            Ok(definition) => definition,
            Err(fault) => {
                let name = secret.metadata.name.as_deref().unwrap_or_default();
                warn!(secret = name, %fault, "Secret cannot be a managed cluster's");
                return;
            }
        };
        let known = old.by_name.get(&name);
        let way = self.way(known, secret, target);
        if let Err(Unusable { secret, fault }) = &way
            && known.is_none_or(|known| known.way.as_ref().err() != way.as_ref().err())
        {
            warn!(cluster = %name, %secret, %fault, "managed cluster cannot be reached");
        }
        let metrics = known.map_or_else(|| self.metrics.of(&name), |known| known.metrics.clone());
        new.by_name.insert(
            name,
            Arc::new(Cluster {
                object,
                way,
                metrics,
                services: Mutex::default(),
                tasks: self.tasks.clone(),
            }),
        );
    }

    /// Keeps the connections of a cluster whose endpoint and credential did not change.
    fn way(
        &self,
        known: Option<&Arc<Cluster>>,
        secret: &Secret,
        target: Result<Box<Target>, Fault>,
    ) -> Result<Arc<Upstream>, Unusable> {
        let target = target.map_err(|fault| unusable(secret, &fault))?;
        if let Some(Ok(upstream)) = known.map(|known| &known.way)
            && upstream.target == *target
        {
            return Ok(Arc::clone(upstream));
        }
        let upstream = Upstream::new(*target, self.tasks.clone());
        upstream
            .map(Arc::new)
            .map_err(|fault: TlsConfigError| unusable(secret, &fault))
    }
}

fn unusable(secret: &Secret, fault: &dyn std::fmt::Display) -> Unusable {
    let namespace = secret.metadata.namespace.as_deref().unwrap_or_default();
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    Unusable {
        secret: format!("{namespace}/{name}"),
        fault: fault.to_string(),
    }
}

/// The Secret's resource version, if it is beyond `than`: since Kubernetes 1.35 they may be compared
/// as numbers (KEP-5504).
fn newer(than: &str, secret: &Secret) -> Option<String> {
    let version = secret.metadata.resource_version.as_deref()?;
    let number = |text: &str| text.parse::<u128>().unwrap_or(0);
    (than.is_empty() || number(version) > number(than)).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clusters::secret::tests::{secret, token_secret};

    fn clusters() -> Clusters {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        Clusters::new(metrics, Tunnels::new(0, 0), TaskTracker::new())
    }

    fn upstream(clusters: &Clusters, name: &str) -> Arc<Upstream> {
        Arc::clone(
            clusters
                .find(&name.parse().unwrap())
                .unwrap()
                .way
                .as_ref()
                .unwrap(),
        )
    }

    #[tokio::test]
    async fn keeps_connections_until_the_credential_changes() {
        let clusters = clusters();
        let mut given = token_secret("managed1");
        clusters.apply(&given);
        let first = upstream(&clusters, "managed1");

        given
            .metadata
            .annotations
            .get_or_insert_default()
            .insert("note".into(), "x".into());
        clusters.apply(&given);
        assert!(Arc::ptr_eq(&first, &upstream(&clusters, "managed1")));
        clusters.reset(std::slice::from_ref(&given));
        assert!(Arc::ptr_eq(&first, &upstream(&clusters, "managed1")));

        let token = k8s_openapi::ByteString(b"another".to_vec());
        given
            .data
            .get_or_insert_default()
            .insert("token".into(), token);
        clusters.apply(&given);
        assert!(!Arc::ptr_eq(&first, &upstream(&clusters, "managed1")));
    }

    #[tokio::test]
    async fn one_broken_secret_disturbs_no_other() {
        let clusters = clusters();
        let broken = secret("broken", &[("token", "t")]);
        clusters.reset(&[token_secret("managed1"), broken, token_secret("Bad_Name")]);
        upstream(&clusters, "managed1");
        let broken = clusters.find(&"broken".parse().unwrap()).unwrap();
        let message = broken.way.as_ref().unwrap_err().to_string();
        assert!(
            message.contains("credentials/broken") && message.contains("endpoint"),
            "{message}"
        );
        assert_eq!(clusters.snapshot().by_name.len(), 2);
    }

    #[tokio::test]
    async fn forgets_what_is_deleted() {
        let clusters = clusters();
        clusters.reset(&[token_secret("a"), token_secret("b"), token_secret("c")]);
        clusters.remove(&token_secret("a"));
        clusters.reset(&[token_secret("b")]);
        let names: Vec<_> = clusters
            .snapshot()
            .by_name
            .keys()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["b"]);
    }
}
