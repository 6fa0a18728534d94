//! Keeps the inventory equal to what the hub holds. While the hub's API server is away, what was
//! last known stays in use.

use std::pin::pin;

use crds::{authentication, cluster::ManagedCluster, cluster_core::secret::CREDENTIAL_TYPE_LABEL};
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use runtime::readiness::Condition;
use tracing::warn;

use super::{
    Clusters,
    inventory::{Manual, Registrations, Source, Tokens},
};
use crate::account_name::AccountName;

/// Follows the Secrets of the manual mode in `namespace` for as long as it is polled; `listed` is
/// met from the first full list on.
pub(crate) async fn follow(
    clusters: &Clusters,
    client: Client,
    namespace: &str,
    listed: Condition,
) {
    let secrets: Api<Secret> = Api::namespaced(client, namespace);
    let config = watcher::Config::default().labels(CREDENTIAL_TYPE_LABEL);
    follow_source::<Manual>(clusters, secrets, config, listed).await;
}

/// Follows the `ManagedCluster`s. A hub without the kind has none, which is as good as a list: it is
/// looked for again with growing pauses, and the rest is served meanwhile.
pub(crate) async fn follow_registrations(clusters: &Clusters, client: Client, listed: Condition) {
    let api: Api<ManagedCluster> = Api::all(client);
    follow_source::<Registrations>(clusters, api, watcher::Config::default(), listed).await;
}

/// Follows the Secrets of the `ManagedServiceAccount`s of this name in all namespaces. Asking for
/// them by name lets RBAC grant just these.
pub(crate) async fn follow_tokens(
    clusters: &Clusters,
    client: Client,
    account: &AccountName,
    listed: Condition,
) {
    let api: Api<Secret> = Api::all(client);
    let config = watcher::Config::default()
        .labels(&format!("{}=true", authentication::LABEL))
        .fields(&format!("metadata.name={account}"));
    follow_source::<Tokens>(clusters, api, config, listed).await;
}

async fn follow_source<S: Source>(
    clusters: &Clusters,
    api: Api<S::Object>,
    config: watcher::Config,
    listed: Condition,
) {
    let mut events = pin!(watcher(api, config).default_backoff());
    let mut listing = Vec::new();
    let mut complaint = None;
    loop {
        match events.try_next().await {
            Ok(Some(Event::Init)) => listing.clear(),
            Ok(Some(Event::InitApply(object))) => listing.push(object),
            Ok(Some(Event::InitDone)) => {
                complaint = None;
                clusters.reset::<S>(&std::mem::take(&mut listing));
                listed.set(true);
            }
            Ok(Some(Event::Apply(object))) => clusters.apply::<S>(&object),
            Ok(Some(Event::Delete(object))) => clusters.remove::<S>(&object),
            Ok(None) => return,
            Err(error) => {
                let said = error.to_string();
                if complaint.as_ref() != Some(&said) {
                    warn!(%error, "watching {}; what is known stays in use", S::WHAT);
                    complaint = Some(said);
                }
                if is_unknown_kind(&error) {
                    clusters.has_no_kind::<S>();
                    listed.set(true);
                }
            }
        }
    }
}

/// By its code alone: what the API server says of a path that it does not serve is no Status.
fn is_unknown_kind(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404
    )
}
