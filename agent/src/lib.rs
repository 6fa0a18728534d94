//! The agent on a managed cluster: it dials out to the hub, keeps tunnels to the gateway, and
//! connects what comes through them to the targets that it is told to serve, and to nothing else.

mod args;
mod hub;
mod links;
mod run;
mod targets;
mod tokens;

pub use crate::{
    args::{Args, Faults, Settings},
    hub::Mtls,
    run::run,
    tokens::TokenSettings,
};
