//! Keeps the front-proxy configuration in line with what the hub publishes.

use std::pin::pin;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, watcher, watcher::Event},
};
use runtime::readiness::Condition;
use tracing::{info, warn};

use super::complain;
use crate::authentication::Authenticator;

const WHAT: &str = "kube-system/extension-apiserver-authentication";
const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";

/// Follows the ConfigMap for as long as it is polled; `known` is met from the first usable one on.
/// One that is broken or deleted leaves the last good one in use.
pub(super) async fn follow_front_proxy(
    authenticator: &Authenticator,
    client: Client,
    known: Condition,
) {
    let maps: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    let config = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
    let mut events = pin!(watcher(maps, config).default_backoff());
    let mut complaint = None;
    loop {
        match events.try_next().await {
            Ok(Some(Event::InitApply(map) | Event::Apply(map))) => {
                match authenticator.trust(&map) {
                    Ok(()) => {
                        info!("front-proxy configuration read from {NAMESPACE}/{NAME}");
                        known.set(true);
                    }
                    Err(error) => {
                        warn!(%error, "{NAMESPACE}/{NAME} is unusable; the last good one stays in use");
                    }
                }
            }
            Ok(Some(Event::Init)) => {}
            Ok(Some(Event::InitDone)) => complaint = None,
            Ok(Some(Event::Delete(_))) => {
                warn!("{NAMESPACE}/{NAME} was deleted; its last content stays in use");
            }
            Ok(None) => return,
            Err(error) => {
                complaint = Some(complain(complaint.as_deref(), &error, WHAT));
            }
        }
    }
}
