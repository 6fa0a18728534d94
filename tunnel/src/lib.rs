//! Reverse tunnels over any byte stream. An agent dials out and then *serves* HTTP/2 on that
//! connection; the gateway is its client and opens one stream per byte pipe. So each pipe has a
//! window of its own, a slow reader stalls nobody, and what a peer can make us hold is bounded per
//! stream, cluster and process. `docs/protocol.md` is normative. Knows no Kubernetes.
//!
//! The gateway's end is [`Session`] (one connection) and [`Sessions`] (all of one cluster); the
//! agent's end is [`serve`].

mod agent;
mod budget;
pub mod fuzz;
mod hello;
mod limits;
mod lingering;
mod liveness;
mod pump;
mod refusal;
mod replica;
mod session;
mod sessions;
mod stream;
mod target;
mod word;

pub use crate::{
    agent::{Dial, Phase, ServeError, serve},
    budget::{Budget, Charge},
    hello::{Agreement, Hello, HelloError},
    limits::{STREAM_COST, STREAM_WINDOW},
    liveness::Liveness,
    refusal::Refusal,
    replica::{Replica, ReplicaId, ReplicaIdError},
    session::{AttachError, Driver, End, OpenError, Session},
    sessions::Sessions,
    stream::Stream,
    target::{Target, TargetError},
};

/// The protocol's name in an HTTP/1.1 `Upgrade` and in TLS ALPN.
pub const PROTOCOL: &str = "spokeway-tunnel";
