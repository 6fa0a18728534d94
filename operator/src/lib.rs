//! The operator on the hub: it turns one `GatewayConfiguration` into a fleet of reachable clusters.
//! [`engine`] drives one loop: [`observe`] brings changes into [`observed`], [`plan`] is pure and
//! decides what to write, and [`apply`] writes it. An object is written only if it differs from
//! what is wanted.

mod addon;
mod apply;
mod args;
mod digest;
mod engine;
pub mod fuzz;
mod grant;
mod guard;
mod key;
mod kind;
mod leader;
mod manifest;
mod matching;
mod metrics;
mod names;
mod object;
mod observe;
mod observed;
mod plan;
mod run;
mod uninstall;

pub use crate::{
    args::{Args, Settings},
    run::run,
};

#[cfg(test)]
mod tests;
