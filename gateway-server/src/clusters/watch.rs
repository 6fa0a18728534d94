//! Keeps the snapshot equal to the Secrets of the manual mode. While the hub's API server is away,
//! the last snapshot stays in use.

use std::pin::pin;

use crds::cluster_core::secret::CREDENTIAL_TYPE_LABEL;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use runtime::readiness::Condition;
use tracing::warn;

use super::Clusters;

/// Follows the Secrets in `namespace` for as long as it is polled; `listed` is met from the first
/// full list on.
pub(crate) async fn follow(
    clusters: &Clusters,
    client: Client,
    namespace: &str,
    listed: Condition,
) {
    let secrets: Api<Secret> = Api::namespaced(client, namespace);
    let config = watcher::Config::default().labels(CREDENTIAL_TYPE_LABEL);
    let mut events = pin!(watcher(secrets, config).default_backoff());
    let mut listing = Vec::new();
    loop {
        match events.try_next().await {
            Ok(Some(Event::Init)) => listing.clear(),
            Ok(Some(Event::InitApply(secret))) => listing.push(secret),
            Ok(Some(Event::InitDone)) => {
                clusters.reset(&std::mem::take(&mut listing));
                listed.set(true);
            }
            Ok(Some(Event::Apply(secret))) => clusters.apply(&secret),
            Ok(Some(Event::Delete(secret))) => clusters.remove(&secret),
            Ok(None) => return,
            Err(error) => warn!(%error, "watching Secrets; the managed clusters known stay in use"),
        }
    }
}
