//! Peers that violate the protocol, written frame by frame. Each is disconnected or refused without
//! an effect on others, and the error names the violation.

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
