//! Identity: hub users act on a managed cluster as themselves if an `AccessGrant` names them, and
//! for as long as it does. Hub and spoke are real. The tests write the grants' status and the
//! spoke's RBAC as the operator would.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

#[path = "grants/account.rs"]
mod account;
#[path = "grants/alone.rs"]
mod alone;
#[path = "grants/callers.rs"]
mod callers;
#[path = "grants/revocation.rs"]
mod revocation;
#[path = "grants/smuggling.rs"]
mod smuggling;
#[path = "grants/stage.rs"]
mod stage;
