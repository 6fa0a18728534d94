//! The operator on the hub: from one `GatewayConfiguration` to a fleet of reachable clusters. Watches
//! bring what is observed; [`hub`], [`enrolment`], [`access`] and [`status`] decide, purely, what is to be written;
//! [`apply`] writes it. An object is written only where it differs from what is wanted.

mod access;
mod apply;
mod args;
mod concern;
mod contest;
mod digest;
mod discovery;
mod engine;
mod enrolment;
mod entrance;
mod events;
mod hub;
mod kept;
mod kind;
mod leader;
mod manifest;
mod matching;
mod metrics;
mod names;
mod observed;
mod pki;
mod placed;
mod plan;
mod probe;
mod queue;
mod run;
mod status;
mod uninstall;
mod watch;

pub use crate::{
    args::{Args, Settings},
    run::run,
};

#[cfg(test)]
mod tests;
