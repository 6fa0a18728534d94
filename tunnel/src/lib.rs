//! Reverse tunnels over any byte stream. An agent dials out and then *serves* HTTP/2 on that
//! connection. The gateway is its client and opens one stream per pipe. Therefore, each pipe has
//! its own window, a slow reader does not delay others, and the memory that a peer can use is
//! limited per stream, cluster and process. `docs/protocol.md` is normative. Knows no Kubernetes
//! objects.
//!
//! The gateway's end is [`Session`] (one connection) and [`Sessions`] (all of one cluster). The
//! agent's end is [`serve`].

mod agent;
mod budget;
mod control;
pub mod fuzz;
mod hedge;
mod hello;
mod limits;
mod lingering;
mod liveness;
mod overflow;
mod pulse;
mod pump;
mod refusal;
mod replica;
mod session;
mod sessions;
mod stream;
mod target;
pub mod websocket;
mod word;

pub use crate::{
    agent::{Dial, Phase, ServeError, serve},
    budget::{Budget, Charge, Share, WeakBudget},
    hedge::hedged,
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
