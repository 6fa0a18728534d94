//! The chart by a real helm, on a hub's API server: what it installs, what its values mean, and what it
//! refuses. Nothing runs here; `install` has pods.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

#[path = "chart/manifests.rs"]
mod manifests;
#[path = "chart/refusals.rs"]
mod refusals;
#[path = "chart/releases.rs"]
mod releases;
#[path = "chart/stage.rs"]
mod stage;
