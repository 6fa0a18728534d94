//! The life of tokens: a `ManagedServiceAccount` on the hub gets a `ServiceAccount` on the managed
//! cluster, and the token of that a Secret on the hub, which is renewed, repaired and, in the end,
//! revoked. Watches bring what is observed; [`plan`] decides one call at a time; [`apply`] makes it.

mod apply;
mod engine;
mod events;
mod fleet;
mod judge;
mod metrics;
mod objects;
mod outcome;
mod plan;
mod revoke;
mod schedule;
mod seen;
mod token;
mod watch;

use jiff::SignedDuration;
use kube::Client;
use prometheus_client::registry::Registry;
use std::time::Duration;
use tokio::{sync::watch as channel, task::JoinSet};
use tokio_util::sync::CancellationToken;

use self::{
    engine::{Engine, Faults},
    events::Notes,
    fleet::Fleet,
    seen::Site,
};
pub(crate) use self::{metrics::Metrics, revoke::revoke_all};
use crate::spoke::Spoke;

/// How tokens are looked after.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenSettings {
    /// The managed cluster's name, and its namespace on the hub.
    pub(crate) cluster: String,
    /// Where the `ServiceAccount`s are; nobody else's may be there.
    pub(crate) namespace: String,
    /// How long an account's deletion waits for a managed cluster that is away.
    pub(crate) hold: Duration,
}

/// Looks after tokens until `stop`. What comes through `hub` and `spoke` replaces the client before,
/// for calls and watches; `working` is told whether both can be watched.
pub(crate) async fn keep(
    settings: TokenSettings,
    hub: channel::Receiver<Client>,
    spoke: channel::Receiver<Spoke>,
    metrics: Metrics,
    working: channel::Sender<bool>,
    stop: CancellationToken,
) {
    let TokenSettings {
        cluster,
        namespace,
        hold,
    } = settings;
    let (notes, events) = Notes::new(&cluster, metrics.clone());
    let mut background = JoinSet::new();
    background.spawn(events::write(events, hub.clone(), metrics.clone()));
    let site = Site {
        cluster,
        namespace,
        hold: SignedDuration::try_from(hold).unwrap_or(SignedDuration::MAX),
        ..Site::default()
    };
    let engine = Engine {
        fleet: Fleet::new(site),
        hub,
        spoke,
        notes,
        metrics,
        clock: kubernetes::clock::now,
        faults: Faults::default(),
        working,
    };
    engine.run(stop).await;
    background.shutdown().await;
}

/// What is counted, in the registry of the process.
pub(crate) fn register(registry: &mut Registry) -> Metrics {
    Metrics::register(registry)
}
