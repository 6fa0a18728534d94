//! The harness on real processes: what all other tests rely on.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]
#![expect(
    clippy::print_stdout,
    reason = "a runner under test speaks to the test on stdout"
)]

#[path = "world/cleanup.rs"]
mod cleanup;
#[path = "world/clusters.rs"]
mod clusters;
#[path = "world/gateways.rs"]
mod gateways;
#[path = "world/processes.rs"]
mod processes;
