//! Tests plans against a model of a hub: every phase of a cluster's life, both versions of the
//! add-on API, and that the order of events does not matter.

mod access;
mod admission;
mod entrance;
mod interleavings;
mod judgement;
mod leaving;
mod life;
pub(crate) mod model;
mod names;
mod order;
mod placement;
mod removal;
mod rights;
mod server;
mod status;
