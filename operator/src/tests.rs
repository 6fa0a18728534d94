//! Plans against a model of a hub: every phase of a cluster's life, both versions of the add-on API, and
//! that order does not matter.

mod entrance;
mod life;
pub(crate) mod model;
mod order;
mod removal;
mod server;
mod status;
