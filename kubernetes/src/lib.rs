//! The scaffolding of a program that talks to a Kubernetes API server: access to it as kubectl has it, a
//! client that is replaced when its files change, Events, the wall clock, pauses between attempts,
//! restricted pod security, and words of others. It does not know Spokeway's own kinds. Code that needs no Kubernetes is in `runtime`.

pub mod access;
pub mod clock;
pub mod events;
pub mod follow;
pub mod pauses;
pub mod pod_security;
pub mod source;
pub mod words;
