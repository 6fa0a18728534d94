//! `kubectl gateway`: contexts for managed clusters, and grants as people ask for them and about them.
//! What is said is made by pure functions over what the hub has; each verb's own file reads and prints.

mod args;
mod flags;
mod fleet;
mod gateway_path;
mod hub;
mod kubeconfig;
mod run;
mod subject;
mod table;
mod verbs;
mod voice;
mod wording;

pub use args::Args;
pub use run::run;
