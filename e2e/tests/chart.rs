//! The chart, installed by a real helm on a hub's API server: what it installs, what its values
//! mean, and what it refuses. No pods run here; they do in `install`.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

#[path = "chart/gitops.rs"]
mod gitops;
#[path = "chart/leaving.rs"]
mod leaving;
#[path = "chart/manifests.rs"]
mod manifests;
#[path = "chart/refusals.rs"]
mod refusals;
#[path = "chart/releases.rs"]
mod releases;
#[path = "chart/stage.rs"]
mod stage;
