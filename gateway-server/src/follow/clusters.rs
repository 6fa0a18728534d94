//! Keeps the managed clusters in line with the hub.

use crds::{authentication, cluster::ManagedCluster, cluster_core::secret::CREDENTIAL_TYPE_LABEL};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, runtime::watcher};
use runtime::readiness::Condition;

use super::follow;
use crate::{account_name::AccountName, clusters::Clusters};

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

/// Follows the `ManagedCluster`s.
pub(super) async fn follow_managed_clusters(
    clusters: &Clusters,
    client: Client,
    listed: Condition,
) {
    let api: Api<ManagedCluster> = Api::all(client);
    let config = watcher::Config::default();
    follow(&clusters.managed_clusters(), api, config, listed).await;
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
