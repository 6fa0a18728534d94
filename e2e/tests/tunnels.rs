//! Managed clusters behind tunnels, by both entrances, on real processes: served like any other,
//! refused when an agent is not who it says, and back soon after anything in between died.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]
#![expect(
    clippy::print_stdout,
    reason = "journeys that measure say what they found; the runner shows it on demand"
)]

#[path = "tunnels/agents.rs"]
mod agents;
#[path = "tunnels/health.rs"]
mod health;
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
