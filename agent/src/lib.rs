//! The agent on a managed cluster: it dials out to the hub, keeps tunnels to the gateway, and
//! connects what comes through them to the targets that it is told to serve, and to nothing else. Beside
//! that it looks after the tokens of the cluster's `ManagedServiceAccount`s, and tells OCM which add-ons
//! work.

mod args;
mod duties;
mod hub;
mod leases;
mod links;
mod run;
mod spoke;
mod targets;
mod tokens;

pub use crate::{
    args::{Args, Settings},
    hub::Mtls,
    run::run,
    tokens::TokenSettings,
};
