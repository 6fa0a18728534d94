//! The watches on the hub, as one stream of changes. A kind that cannot be watched is retried for
//! ever and delays no other kind.

use std::time::Duration;

use crds::addon;
use futures::{
    StreamExt as _,
    stream::{BoxStream, SelectAll, select_all},
};
use kube::{
    Api, Client,
    core::DynamicObject,
    runtime::{
        WatchStreamExt as _,
        utils::Backoff,
        watcher::{self, Event, watcher},
    },
};
use kubernetes::words::clipped;
use runtime::causes::chain;

use crate::kind::{Filter, Kind};

const PAGE: u32 = 250;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A change that a watch has reported.
#[derive(Debug)]
pub(crate) enum Change {
    Object(Kind, Box<Event<DynamicObject>>),
    /// The kind cannot be watched at the moment.
    Fault(Kind, String),
}

/// All changes, as a stream that never ends.
pub(crate) type Changes = SelectAll<BoxStream<'static, Change>>;

/// Watches everything that plans read. The gateway server's objects are watched in the namespace
/// `server`.
pub(crate) fn all(client: &Client, addons: addon::Version, server: &str) -> Changes {
    let kinds = Kind::ALL.iter();
    select_all(kinds.map(|kind| of(*kind, client, addons, server)))
}

fn of(
    kind: Kind,
    client: &Client,
    addons: addon::Version,
    server: &str,
) -> BoxStream<'static, Change> {
    let resource = kind.resource(addons);
    let api: Api<DynamicObject> = if kind.is_of_server() {
        Api::namespaced_with(client.clone(), server, &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    };
    watcher(api, config(kind))
        .backoff(Pauses::default())
        .map(move |event| match event {
            Ok(event) => Change::Object(kind, Box::new(event)),
            Err(error) => Change::Fault(kind, clipped(&chain(&error))),
        })
        .boxed()
}

fn config(kind: Kind) -> watcher::Config {
    let config = watcher::Config::default().page_size(PAGE);
    match kind.watched() {
        Filter::All => config,
        Filter::Label(label, value) => config.labels(&format!("{label}={value}")),
        Filter::Name(name) => config.fields(&format!("metadata.name={name}")),
    }
}

/// The pauses between attempts. They are short, so that the watch is back soon after an API server
/// restarts.
pub(crate) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        *self = Self::default();
    }
}
