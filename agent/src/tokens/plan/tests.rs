//! Tests plans against a model of both API servers. The model carries out what is planned, and its
//! answers are learned as the driver does it.

mod life;
mod model;
mod removal;
mod repair;
mod rotation;
mod two_hubs;
