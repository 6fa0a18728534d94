//! The three watches as two streams of changes, one per API server. A watch also tells when it
//! fails, and when it runs (again), because nothing else may come for hours.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crds::authentication::LABEL;
use futures::{
    Stream, StreamExt as _,
    stream::{BoxStream, iter, select, unfold},
};
use http::{Request, Uri};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{
    Api, Client,
    client::Body,
    core::DynamicObject,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use kubernetes::{pauses::Pauses, words::clipped};
use runtime::causes::chain;
use tokio::sync::Notify;
use tower::service_fn;

use super::{apply, kind::Kind};

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
    /// The objects of this kind cannot be watched at the moment.
    Fault(Kind, String),
    /// The API server has begun to answer the watch of this kind.
    Runs(Kind),
}

/// All changes, as a stream that never ends.
pub(crate) type Changes = BoxStream<'static, Change>;

impl Change {
    /// The watch that it comes from.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Accounts(_) => Kind::Account,
            Self::Secrets(_) => Kind::Secret,
            Self::ServiceAccounts(_) => Kind::ServiceAccount,
            Self::Fault(kind, _) | Self::Runs(kind) => *kind,
        }
    }

    /// Whether the API server has said it.
    pub(super) fn is_answer(&self) -> bool {
        match self {
            Self::Fault(..) => false,
            Self::Runs(_) => true,
            // The first event of a list comes before the server is asked.
            Self::Accounts(event) => !matches!(event, Event::Init),
            Self::Secrets(event) => !matches!(event, Event::Init),
            Self::ServiceAccounts(event) => !matches!(event, Event::Init),
        }
    }
}

/// Watches the accounts and their Secrets on the hub.
pub(crate) fn of_hub(client: &Client, cluster: &str) -> Changes {
    let accounts = changes(Kind::Account, client, cluster, Change::Accounts, |client| {
        watcher(apply::accounts(client, cluster), every())
    });
    let secrets = changes(Kind::Secret, client, cluster, Change::Secrets, |client| {
        watcher(Api::<Secret>::namespaced(client, cluster), labelled())
    });
    select(accounts, secrets).boxed()
}

/// Watches the `ServiceAccount`s on the managed cluster.
pub(crate) fn of_spoke(client: &Client, namespace: &str) -> Changes {
    let kind = Kind::ServiceAccount;
    changes(kind, client, namespace, Change::ServiceAccounts, |client| {
        watcher(
            Api::<ServiceAccount>::namespaced(client, namespace),
            labelled(),
        )
    })
}

fn changes<K: 'static, S>(
    kind: Kind,
    client: &Client,
    seed: &str,
    change: fn(Event<K>) -> Change,
    watch: impl FnOnce(Client) -> S,
) -> Changes
where
    S: Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
{
    let starts = Arc::<Starts>::default();
    let events = watch(starts.noticed_by(client)).backoff(pauses(seed));
    let fault = move |error| Change::Fault(kind, clipped(&chain(&error)));
    let runs = Arc::clone(&starts);
    let events = events.flat_map(move |event| {
        // What it says now, it says after its start.
        let runs = runs.take().then_some(Change::Runs(kind));
        let change = event.map_or_else(fault, change);
        iter(runs.into_iter().chain([change]))
    });
    let starts = unfold(starts, move |starts| async move {
        starts.next().await;
        Some((Change::Runs(kind), starts))
    });
    select(events, starts).boxed()
}

/// Whether an API server has begun to answer a watch. The watch itself says nothing until something
/// changes.
#[derive(Default)]
struct Starts {
    is_new: AtomicBool,
    came: Notify,
}

impl Starts {
    /// The same client, but the starts of its watches are noticed.
    fn noticed_by(self: &Arc<Self>, client: &Client) -> Client {
        let namespace = client.default_namespace().to_owned();
        let (client, starts) = (client.clone(), Arc::clone(self));
        let service = service_fn(move |request: Request<Body>| {
            let (client, starts) = (client.clone(), Arc::clone(&starts));
            async move {
                let is_watch = is_watch(request.uri());
                let response = client.send(request).await?;
                if is_watch && response.status().is_success() {
                    starts.is_new.store(true, Ordering::SeqCst);
                    starts.came.notify_one();
                }
                Ok::<_, kube::Error>(response)
            }
        });
        Client::new(service, namespace)
    }

    /// Takes the last start, if nobody has taken it.
    fn take(&self) -> bool {
        self.is_new.swap(false, Ordering::SeqCst)
    }

    /// Waits for a start, and takes it.
    async fn next(&self) {
        while !self.take() {
            self.came.notified().await;
        }
    }
}

fn is_watch(uri: &Uri) -> bool {
    let mut query = uri.query().unwrap_or_default().split('&');
    query.any(|pair| pair == "watch=true")
}

fn every() -> watcher::Config {
    watcher::Config::default().page_size(PAGE)
}

fn labelled() -> watcher::Config {
    every().labels(&format!("{LABEL}=true"))
}

/// The pauses are short after an API server restarts, and differ between clusters.
fn pauses(seed: &str) -> Pauses {
    Pauses::new(FIRST_PAUSE, LONGEST_PAUSE).with_jitter(seed)
}
