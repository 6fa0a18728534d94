//! The life of tokens on a real hub and a real managed cluster: an agent with exactly the rights of
//! `config/agent` issues, repairs, refuses and revokes them.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]
#![expect(
    clippy::print_stdout,
    reason = "journeys that measure say what they found; the runner shows it on demand"
)]

#[path = "tokens/follow.rs"]
mod follow;
#[path = "tokens/kills.rs"]
mod kills;
#[path = "tokens/life.rs"]
mod life;
#[path = "tokens/outages.rs"]
mod outages;
#[path = "tokens/phases.rs"]
mod phases;
#[path = "tokens/removal.rs"]
mod removal;
#[path = "tokens/rights.rs"]
mod rights;
#[path = "tokens/scale.rs"]
mod scale;
#[path = "tokens/stage.rs"]
mod stage;
#[path = "tokens/two_hubs.rs"]
mod two_hubs;
