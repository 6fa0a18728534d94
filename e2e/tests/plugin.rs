//! The kubectl plugin as a user runs it: a real kubectl finds it, the hub is real, and a managed
//! cluster is behind the gateway. The tests write the status of grants instead of an operator.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

#[path = "plugin/contexts.rs"]
mod contexts;
#[path = "plugin/diff.rs"]
mod diff;
#[path = "plugin/grants.rs"]
mod grants;
#[path = "plugin/questions.rs"]
mod questions;
#[path = "plugin/stage.rs"]
mod stage;
