//! What users do with pods through the hub, the gateway and the tunnel of the spoke's agent. The
//! spoke cannot be dialled, and has a real node.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]
#![expect(
    clippy::print_stdout,
    reason = "a runner under test speaks to the test on stdout"
)]

#[path = "node/cleanup.rs"]
mod cleanup;
#[path = "node/copies.rs"]
mod copies;
#[path = "node/exec.rs"]
mod exec;
#[path = "node/fence.rs"]
mod fence;
#[path = "node/forwards.rs"]
mod forwards;
#[path = "node/images.rs"]
mod images;
#[path = "node/services.rs"]
mod services;
#[path = "node/stage.rs"]
mod stage;
#[path = "node/workloads.rs"]
mod workloads;
