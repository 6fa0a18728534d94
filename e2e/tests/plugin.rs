//! The kubectl plugin as a user has it: a real kubectl that finds it, on a real hub, and a managed cluster
//! behind the gateway. What an operator would write of grants, the tests write.

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
