//! `kubectl gateway`: contexts for managed clusters, and commands to create and query grants. Pure
//! functions turn what was read from the hub into text; each verb's own file reads and prints.

mod args;
mod flags;
mod fleet;
mod gateway_path;
mod hub;
mod kubeconfig;
mod mine;
mod roles;
mod run;
mod subject;
mod table;
mod verbs;
mod voice;
mod wording;

pub use args::Args;
pub use run::run;
