//! Detects a dead peer. It sends a ping at once and then after each pause, or sooner if somebody
//! wants to know. A ping that is not answered in time means that the peer is dead, long before TCP
//! would notice (protocol.md §6).

use std::{future::pending, time::Duration};

use h2::{Ping, PingPong};
use tokio::{
    select,
    time::{Instant, sleep, timeout},
};

use crate::pulse::Pulse;

/// When a peer that does not answer counts as dead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Liveness {
    /// The pause between two pings.
    pub interval: Duration,
    /// A peer that has not answered a ping for this long is dead.
    pub deadline: Duration,
}

impl Liveness {
    /// Between agent and gateway, over any network: the peer is dead 40 s after its last answer.
    pub const AGENT: Self = Self {
        interval: Duration::from_secs(20),
        deadline: Duration::from_secs(20),
    };

    /// Between replicas of a gateway, which are close to each other: the peer is dead 5 s after its
    /// last answer.
    pub const PEER: Self = Self {
        interval: Duration::from_secs(2),
        deadline: Duration::from_secs(3),
    };

    /// Pings until the peer is dead. Other failures of the connection are reported elsewhere.
    pub(crate) async fn peer_death(self, mut pings: PingPong, pulse: &Pulse) {
        loop {
            let sent = Instant::now();
            pulse.sent(sent);
            match timeout(self.deadline, pings.ping(Ping::opaque())).await {
                Ok(Ok(_)) => pulse.answered(sent.elapsed()),
                Ok(Err(_)) => pending().await,
                Err(_) => return,
            }
            select! {
                () = sleep(self.interval) => {}
                () = pulse.hurried() => {}
            }
        }
    }
}
