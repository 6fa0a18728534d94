//! Identity: hub users act on a managed cluster as themselves where an `AccessGrant` names them, for as
//! long as it does, on real hub and spoke. The grants' status and the spoke's RBAC are written here, as
//! the operator would.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

#[path = "grants/callers.rs"]
mod callers;
#[path = "grants/revocation.rs"]
mod revocation;
#[path = "grants/smuggling.rs"]
mod smuggling;
#[path = "grants/stage.rs"]
mod stage;
