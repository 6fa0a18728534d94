//! Peers that break the protocol, written by hand, frame by frame: each is cut or refused alone, and
//! the error names what it did.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]
#![expect(clippy::disallowed_methods, reason = "a test's runtime ends its tasks")]

#[path = "hostile/agents.rs"]
mod agents;
#[path = "hostile/answers.rs"]
mod answers;
#[path = "hostile/frames.rs"]
mod frames;
#[path = "hostile/gateways.rs"]
mod gateways;
