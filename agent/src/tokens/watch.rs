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
use kubernetes::pauses::Pauses;
use runtime::causes::{chain, clipped};

use super::apply;

/// Objects per page of a list: what is decoded at once has to fit a small agent.
const PAGE: u32 = 50;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a watch saw.
#[derive(Debug)]
pub(crate) enum Change {
    Accounts(Event<DynamicObject>),
    Secrets(Event<Secret>),
    ServiceAccounts(Event<ServiceAccount>),
    /// The hub cannot be watched now.
    HubFault(String),
    /// The managed cluster cannot be watched now.
    SpokeFault(String),
}

/// Changes, without end.
pub(crate) type Changes = BoxStream<'static, Change>;

/// Accounts and their Secrets on the hub.
pub(crate) fn of_hub(client: Client, cluster: &str) -> Changes {
    let accounts = watcher(apply::accounts(client.clone(), cluster), every())
        .backoff(pauses(cluster))
        .map(|event| event.map_or_else(|error| hub_fault(&error), Change::Accounts));
    let secrets = watcher(Api::<Secret>::namespaced(client, cluster), labelled())
        .backoff(pauses(cluster))
        .map(|event| event.map_or_else(|error| hub_fault(&error), Change::Secrets));
    select(accounts, secrets).boxed()
}

/// `ServiceAccount`s on the managed cluster.
pub(crate) fn of_spoke(client: Client, namespace: &str) -> Changes {
    let accounts: Api<ServiceAccount> = Api::namespaced(client, namespace);
    let fault = |error: watcher::Error| Change::SpokeFault(clipped(chain(&error)));
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
    Change::HubFault(clipped(chain(error)))
}

/// Soon again after an API server's restart, and no two clusters in step.
fn pauses(seed: &str) -> Pauses {
    Pauses::new(FIRST_PAUSE, LONGEST_PAUSE).with_jitter(seed)
}
