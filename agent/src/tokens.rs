//! Manages tokens: each `ManagedServiceAccount` on the hub gets a `ServiceAccount` on the managed
//! cluster, and its token is stored in a Secret on the hub. The token is renewed, repaired and
//! finally revoked. Watches bring the observed state, [`plan`] decides on one call at a time, and
//! [`apply`] makes it.

mod apply;
mod engine;
mod events;
mod fleet;
mod judge;
mod kind;
mod metrics;
mod objects;
mod outcome;
mod ownership;
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
pub(crate) use self::{metrics::Metrics, ownership::Owner, revoke::revoke_all};
use crate::spoke::Spoke;

/// How the agent manages tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenSettings {
    /// The managed cluster's name, and its namespace on the hub.
    pub(crate) cluster: String,
    /// The namespace of the `ServiceAccount`s. Nobody else may use it.
    pub(crate) namespace: String,
    /// Whose objects on the managed cluster the agent's are.
    pub(crate) owner: Option<Owner>,
    /// How long the deletion of an account waits for a managed cluster that does not answer.
    pub(crate) hold: Duration,
}

/// Manages tokens until `stop`. Clients from `hub` and `spoke` replace the earlier ones for calls
/// and watches. `working` reports whether both API servers can be watched.
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
        owner,
        hold,
    } = settings;
    let (notes, events) = Notes::new(&cluster, metrics.clone());
    let mut background = JoinSet::new();
    background.spawn(events::write(events, hub.clone(), metrics.clone()));
    let site = Site {
        cluster,
        namespace,
        owner,
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

/// Registers the metrics of tokens with the process.
pub(crate) fn register(registry: &mut Registry) -> Metrics {
    Metrics::register(registry)
}
