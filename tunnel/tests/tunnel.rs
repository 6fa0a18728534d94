//! Both ends over `tokio::io::duplex`. Each test has the name that protocol.md gives for its
//! clause.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]
#![expect(clippy::disallowed_methods, reason = "a test's runtime ends its tasks")]

#[path = "tunnel/ends.rs"]
mod ends;
#[path = "tunnel/full.rs"]
mod full;
#[path = "tunnel/halves.rs"]
mod halves;
#[path = "tunnel/life.rs"]
mod life;
#[path = "tunnel/neighbours.rs"]
mod neighbours;
#[path = "tunnel/network.rs"]
mod network;
#[path = "tunnel/pipes.rs"]
mod pipes;
#[path = "tunnel/places.rs"]
mod places;
#[path = "tunnel/replicas.rs"]
mod replicas;
#[path = "tunnel/silence.rs"]
mod silence;
#[path = "tunnel/wire.rs"]
mod wire;
