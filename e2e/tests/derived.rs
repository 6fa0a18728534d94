//! Managed clusters without a hand-written Secret: they are derived from `ManagedCluster`s and the
//! tokens of `ManagedServiceAccount`s, on real control planes. It does not matter here which agent
//! writes those tokens, so the tests write them where an agent would.

#![expect(
    clippy::print_stdout,
    reason = "how much load there was is worth reading"
)]
#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

#[path = "derived/egress.rs"]
mod egress;
#[path = "derived/life.rs"]
mod life;
#[path = "derived/rotation.rs"]
mod rotation;
#[path = "derived/stage.rs"]
mod stage;
#[path = "derived/ways.rs"]
mod ways;
