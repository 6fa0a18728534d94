//! The scaffolding of a program that talks to a Kubernetes API server: a client that is made again when
//! its files change, Events, the wall clock, pauses between attempts, and restricted pod security. Knows
//! no kinds of ours; what needs no Kubernetes is in `runtime`.

pub mod clock;
pub mod events;
pub mod follow;
pub mod pauses;
pub mod pod_security;
pub mod source;
