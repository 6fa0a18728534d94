//! Faults of the hub, of others on it, of single clusters, and of the operator itself. Each must
//! end in the right state, and a condition must report the fault for as long as it lasts.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

#[path = "operator/hub.rs"]
mod hub;
#[path = "faults/isolation.rs"]
mod isolation;
#[path = "faults/keys.rs"]
mod keys;
#[path = "faults/lost.rs"]
mod lost;
#[path = "faults/outages.rs"]
mod outages;
#[path = "faults/quick.rs"]
mod quick;
#[path = "faults/refusals.rs"]
mod refusals;
#[path = "faults/slips.rs"]
mod slips;
