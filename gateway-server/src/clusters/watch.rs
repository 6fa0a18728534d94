//! Keeps the inventory equal to what the hub holds.

use std::marker::PhantomData;

use crds::{authentication, cluster::ManagedCluster, cluster_core::secret::CREDENTIAL_TYPE_LABEL};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, runtime::watcher};
use runtime::readiness::Condition;

use super::{
    Clusters,
    inventory::{Manual, Registrations, Source, Tokens},
};
use crate::{
    account_name::AccountName,
    follow::{self, Follower},
};

/// The clusters, as one source tells of them.
struct ToldBy<'a, S>(&'a Clusters, PhantomData<S>);

impl<S: Source> Follower for ToldBy<'_, S> {
    type Object = S::Object;
    const WHAT: &'static str = S::WHAT;

    fn reset(&self, objects: &[S::Object]) {
        self.0.reset::<S>(objects);
    }

    fn has_no_kind(&self) {
        self.0.has_no_kind::<S>();
    }

    fn apply(&self, object: &S::Object) {
        self.0.apply::<S>(object);
    }

    fn remove(&self, object: &S::Object) {
        self.0.remove::<S>(object);
    }
}

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

/// Follows the `ManagedCluster`s.
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
    follow::follow(&ToldBy::<S>(clusters, PhantomData), api, config, listed).await;
}
