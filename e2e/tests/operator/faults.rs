//! Faults of the hub, of others on it, and of the operator itself: each ends in the right state, and a
//! condition says what happened for as long as it lasts.

#[path = "faults/keys.rs"]
mod keys;
#[path = "faults/lost.rs"]
mod lost;
#[path = "faults/outages.rs"]
mod outages;
#[path = "faults/refusals.rs"]
mod refusals;
