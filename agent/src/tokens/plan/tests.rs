//! Plans against a model of both API servers: what is planned is done to the model, and what the
//! model answers is learned, as the driver does it.

mod life;
mod model;
mod removal;
mod repair;
mod rotation;
