//! Keeps the managed clusters in line with the hub.

use std::collections::{BTreeMap, HashMap};

use crds::{
    ClusterName,
    authentication::{self, ManagedServiceAccount},
    cluster::ManagedCluster,
    cluster_core::secret::CREDENTIAL_TYPE_LABEL,
};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt as _, runtime::watcher};
use runtime::readiness::Condition;

use super::{follow, follower::Follower};
use crate::{account_name::AccountName, clusters::Clusters, grants::Grants};

/// Follows the Secrets of the manual mode in `namespace` for as long as it is polled; `listed` is
/// met from the first full list on.
pub(super) async fn follow_manual(
    clusters: &Clusters,
    client: Client,
    namespace: &str,
    listed: Condition,
) {
    let secrets: Api<Secret> = Api::namespaced(client, namespace);
    let config = watcher::Config::default().labels(CREDENTIAL_TYPE_LABEL);
    follow(&clusters.manual(), secrets, config, listed).await;
}

/// Who uses `ManagedCluster`s: clusters, which are derived from them or only shown, and grants, which
/// select clusters by labels.
pub(super) struct Registered<'a> {
    pub(super) clusters: &'a Clusters,
    pub(super) grants: Option<&'a Grants>,
}

impl Follower for Registered<'_> {
    type Object = ManagedCluster;
    const WHAT: &'static str = "ManagedClusters";

    fn reset(&self, objects: &[ManagedCluster]) {
        self.clusters.managed_clusters().reset(objects);
        if let Some(grants) = self.grants {
            let labelled = objects.iter().filter_map(labels_of);
            let labelled = labelled.filter(|(_, labels)| !labels.is_empty());
            grants.replace_labels(labelled.collect(), grants.now());
        }
    }

    fn has_no_kind(&self) {
        self.clusters.managed_clusters().has_no_kind();
        if let Some(grants) = self.grants {
            grants.replace_labels(HashMap::new(), grants.now());
        }
    }

    fn apply(&self, object: &ManagedCluster) {
        self.clusters.managed_clusters().apply(object);
        if let (Some(grants), Some((name, labels))) = (self.grants, labels_of(object)) {
            grants.set_labels(&name, labels, grants.now());
        }
    }

    fn remove(&self, object: &ManagedCluster) {
        self.clusters.managed_clusters().remove(object);
        if let (Some(grants), Some((name, _))) = (self.grants, labels_of(object)) {
            grants.set_labels(&name, BTreeMap::new(), grants.now());
        }
    }
}

fn labels_of(object: &ManagedCluster) -> Option<(ClusterName, BTreeMap<String, String>)> {
    let name = object.name_any().parse().ok()?;
    Some((name, object.labels().clone()))
}

/// Follows the `ManagedCluster`s.
pub(super) async fn follow_managed_clusters(
    registered: Registered<'_>,
    client: Client,
    listed: Condition,
) {
    let api: Api<ManagedCluster> = Api::all(client);
    let config = watcher::Config::default();
    follow(&registered, api, config, listed).await;
}

/// Follows the `ManagedServiceAccount`s of this name in all namespaces.
pub(super) async fn follow_accounts(
    clusters: &Clusters,
    client: Client,
    account: &AccountName,
    listed: Condition,
) {
    let api: Api<ManagedServiceAccount> = Api::all(client);
    let config = watcher::Config::default().fields(&format!("metadata.name={account}"));
    follow(&clusters.accounts(), api, config, listed).await;
}

/// Follows the Secrets of the `ManagedServiceAccount`s of this name in all namespaces. Asking for
/// them by name lets RBAC grant just these.
pub(super) async fn follow_tokens(
    clusters: &Clusters,
    client: Client,
    account: &AccountName,
    listed: Condition,
) {
    let api: Api<Secret> = Api::all(client);
    let config = watcher::Config::default()
        .labels(&format!("{}=true", authentication::LABEL))
        .fields(&format!("metadata.name={account}"));
    follow(&clusters.tokens(), api, config, listed).await;
}
