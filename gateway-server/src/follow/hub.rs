//! Starts one task for each kind of object that is watched on the hub.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, api::ListParams};
use runtime::readiness::Readiness;
use tokio::task::JoinSet;

use super::{
    caps::follow_caps,
    clusters::{
        Registered, follow_accounts, follow_managed_clusters, follow_manual, follow_tokens,
    },
    follower::Follower as _,
    front_proxy::follow_front_proxy,
    grants::{follow_grants, follow_used},
};
use crate::{
    account_rights::keep_reviewing, args::Settings, authorization::keep_checking, gateway::Gateway,
    grants::Grants,
};

/// Keeps everything up to date that the request path knows about the hub.
pub(crate) fn follow_hub(
    gateway: &Gateway,
    hub: &Client,
    settings: &Settings,
    readiness: &Readiness,
) -> JoinSet<()> {
    let mut follows = JoinSet::new();
    follows.spawn({
        let (authenticator, hub) = (Arc::clone(&gateway.authenticator), hub.clone());
        let known = readiness.condition("front-proxy-configuration");
        async move { follow_front_proxy(&authenticator, hub, known).await }
    });
    follows.spawn({
        let (clusters, hub) = (Arc::clone(&gateway.clusters), hub.clone());
        let listed = readiness.condition("manual-secrets");
        let namespace = settings.secret_namespace.clone();
        async move { follow_manual(&clusters, hub, &namespace, listed).await }
    });
    follows.spawn({
        let clusters = Arc::clone(&gateway.clusters);
        let secrets = Api::namespaced(hub.clone(), &settings.secret_namespace);
        let links = gateway.attach.metrics.peer_links.clone();
        async move {
            let clock = || newest_revision(&secrets);
            clusters.keep_pulse(clock, || links.get() > 0).await;
        }
    });
    follows.spawn({
        let (clusters, authorizer) = (Arc::clone(&gateway.clusters), gateway.authorizer.clone());
        let metrics = gateway.proxy.metrics.clone();
        async move { keep_checking(&clusters, &authorizer, &metrics).await }
    });
    if let Some(grants) = &gateway.proxy.grants {
        follow_access(gateway, grants, hub, readiness, &mut follows);
    }
    let derives = settings.managed_service_account.is_some();
    if derives || gateway.proxy.grants.is_some() {
        follows.spawn({
            let (clusters, grants) = (Arc::clone(&gateway.clusters), gateway.proxy.grants.clone());
            let hub = hub.clone();
            let listed = readiness.condition("managed-clusters");
            async move {
                let registered = Registered {
                    clusters: &clusters,
                    grants: grants.as_deref(),
                };
                follow_managed_clusters(registered, hub, listed).await;
            }
        });
    } else {
        // It has no right to read them, and needs none.
        gateway.clusters.managed_clusters().has_no_kind();
    }
    if let Some(account) = settings.managed_service_account.clone() {
        follows.spawn({
            let (clusters, hub) = (Arc::clone(&gateway.clusters), hub.clone());
            let listed = readiness.condition("accounts");
            let account = account.clone();
            async move { follow_accounts(&clusters, hub, &account, listed).await }
        });
        follows.spawn({
            let (clusters, hub) = (Arc::clone(&gateway.clusters), hub.clone());
            let listed = readiness.condition("managed-service-accounts");
            async move { follow_tokens(&clusters, hub, &account, listed).await }
        });
    }
    follows
}

/// Keeps up to date who may act on managed clusters.
fn follow_access(
    gateway: &Gateway,
    grants: &Arc<Grants>,
    hub: &Client,
    readiness: &Readiness,
    follows: &mut JoinSet<()>,
) {
    follows.spawn({
        let (clusters, grants) = (Arc::clone(&gateway.clusters), Arc::clone(grants));
        async move { keep_reviewing(&clusters, &grants).await }
    });
    follows.spawn({
        let (grants, hub) = (Arc::clone(grants), hub.clone());
        let listed = readiness.condition("used-access-grants");
        async move { follow_used(&grants, hub, listed).await }
    });
    follows.spawn({
        let (grants, hub) = (Arc::clone(grants), hub.clone());
        let listed = readiness.condition("access-caps");
        async move { follow_caps(&grants, hub, listed).await }
    });
    follows.spawn({
        let (grants, hub) = (Arc::clone(grants), hub.clone());
        let listed = readiness.condition("access-grants");
        async move { follow_grants(&grants, hub, listed).await }
    });
}

/// The revision that the hub has reached. It is that of a list of the smallest part of what is
/// watched anyway.
async fn newest_revision(secrets: &Api<Secret>) -> Option<u64> {
    let listed = secrets.list_metadata(&ListParams::default().limit(1)).await;
    let revision = listed.ok()?.metadata.resource_version?;
    revision.parse().ok()
}
