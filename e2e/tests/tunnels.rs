//! Managed clusters behind tunnels, at both entrances, on real processes. They are served like any
//! other, refused if an agent is not what it claims to be, and back soon after anything in between
//! died.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]
#![expect(
    clippy::print_stdout,
    reason = "journeys that measure say what they found; the runner shows it on demand"
)]

#[path = "tunnels/agents.rs"]
mod agents;
#[path = "tunnels/health.rs"]
mod health;
#[path = "tunnels/limits.rs"]
mod limits;
#[path = "tunnels/networks.rs"]
mod networks;
#[path = "tunnels/outages.rs"]
mod outages;
#[path = "tunnels/replicas.rs"]
mod replicas;
#[path = "tunnels/served.rs"]
mod served;
#[path = "tunnels/stage.rs"]
mod stage;
#[path = "tunnels/truth.rs"]
mod truth;
