//! The three watches as two streams of changes, one per API server.

use std::time::Duration;

use crds::authentication::LABEL;
use futures::{
    StreamExt as _,
    stream::{BoxStream, select},
};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{
    Api, Client,
    core::DynamicObject,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use kubernetes::{pauses::Pauses, words::clipped};
use runtime::causes::chain;

use super::apply;

/// How many objects are in one page of a list. A small agent must be able to decode a page at once.
const PAGE: u32 = 50;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A change that a watch has reported.
#[derive(Debug)]
pub(crate) enum Change {
    Accounts(Event<DynamicObject>),
    Secrets(Event<Secret>),
    ServiceAccounts(Event<ServiceAccount>),
    /// The hub cannot be watched at the moment.
    HubFault(String),
    /// The managed cluster cannot be watched at the moment.
    SpokeFault(String),
}

/// All changes, as a stream that never ends.
pub(crate) type Changes = BoxStream<'static, Change>;

/// Watches the accounts and their Secrets on the hub.
pub(crate) fn of_hub(client: Client, cluster: &str) -> Changes {
    let accounts = watcher(apply::accounts(client.clone(), cluster), every())
        .backoff(pauses(cluster))
        .map(|event| event.map_or_else(|error| hub_fault(&error), Change::Accounts));
    let secrets = watcher(Api::<Secret>::namespaced(client, cluster), labelled())
        .backoff(pauses(cluster))
        .map(|event| event.map_or_else(|error| hub_fault(&error), Change::Secrets));
    select(accounts, secrets).boxed()
}

/// Watches the `ServiceAccount`s on the managed cluster.
pub(crate) fn of_spoke(client: Client, namespace: &str) -> Changes {
    let accounts: Api<ServiceAccount> = Api::namespaced(client, namespace);
    let fault = |error: watcher::Error| Change::SpokeFault(clipped(&chain(&error)));
    watcher(accounts, labelled())
        .backoff(pauses(namespace))
        .map(move |event| event.map_or_else(fault, Change::ServiceAccounts))
        .boxed()
}

fn every() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

fn labelled() -> watcher::Config {
    every().labels(&format!("{LABEL}=true"))
}

fn hub_fault(error: &watcher::Error) -> Change {
    Change::HubFault(clipped(&chain(error)))
}

/// The pauses are short after an API server restarts, and differ between clusters.
fn pauses(seed: &str) -> Pauses {
    Pauses::new(FIRST_PAUSE, LONGEST_PAUSE).with_jitter(seed)
}
