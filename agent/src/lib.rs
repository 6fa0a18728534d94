//! The agent on a managed cluster: it dials out to the hub, keeps tunnels to the gateway, and
//! connects their pipes to the configured targets, and to nothing else. It also manages the
//! tokens of the cluster's `ManagedServiceAccount`s, and shows OCM which add-ons work.

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
