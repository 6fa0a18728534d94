//! What people and programs do through the gateway, on real processes: kubectl and kube's client
//! through the hub, and callers at the gateway's own port. The hub itself must stay healthy.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]
#![expect(
    clippy::print_stdout,
    reason = "journeys that measure say what they found; the runner shows it on demand"
)]

#[path = "journeys/audit.rs"]
mod audit;
#[path = "journeys/bulk.rs"]
mod bulk;
#[path = "journeys/clustergateways.rs"]
mod clustergateways;
#[path = "journeys/connections.rs"]
mod connections;
#[path = "journeys/credentials.rs"]
mod credentials;
#[path = "journeys/direct.rs"]
mod direct;
#[path = "journeys/door.rs"]
mod door;
#[path = "journeys/go_flags.rs"]
mod go_flags;
#[path = "journeys/hub.rs"]
mod hub;
#[path = "journeys/informer.rs"]
mod informer;
#[path = "journeys/inner.rs"]
mod inner;
#[path = "journeys/lifecycle.rs"]
mod lifecycle;
#[path = "journeys/managed.rs"]
mod managed;
#[path = "journeys/mirror.rs"]
mod mirror;
#[path = "journeys/openapi.rs"]
mod openapi;
#[path = "journeys/paths.rs"]
mod paths;
#[path = "journeys/reads.rs"]
mod reads;
#[path = "journeys/trust.rs"]
mod trust;
#[path = "journeys/virtualclusters.rs"]
mod virtualclusters;
#[path = "journeys/watched.rs"]
mod watched;
#[path = "journeys/writes.rs"]
mod writes;

use std::time::Duration;

/// The path where the hub serves our kind.
const GATEWAYS: &str = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways";
/// Longer than anything takes that needs only a few round trips.
const SOON: Duration = Duration::from_secs(10);

/// A path of a managed cluster's API as the hub serves it.
fn proxy(cluster: &str, tail: &str) -> String {
    format!("{GATEWAYS}/{cluster}/proxy{tail}")
}
