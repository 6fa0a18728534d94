//! Is the peer still there? A ping at once and then one after each pause; one that is not answered in
//! time means no, long before TCP would notice (protocol.md §6).

use std::{future::pending, time::Duration};

use h2::{Ping, PingPong};
use tokio::time::{Instant, sleep, timeout};

/// How soon a peer that says nothing counts as dead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Liveness {
    /// Silence between two pings.
    pub interval: Duration,
    /// A ping unanswered for so long means a dead peer.
    pub deadline: Duration,
}

impl Liveness {
    /// Between agent and gateway, over any network: dead 40 s after the last answer.
    pub const AGENT: Self = Self {
        interval: Duration::from_secs(20),
        deadline: Duration::from_secs(20),
    };

    /// Between replicas of a gateway, which are close to each other: dead 5 s after the last answer.
    pub const PEER: Self = Self {
        interval: Duration::from_secs(2),
        deadline: Duration::from_secs(3),
    };

    /// Pings until the peer is dead. A connection that fails otherwise says so itself.
    pub(crate) async fn peer_death(self, mut pings: PingPong, mut answered: impl FnMut(Duration)) {
        loop {
            let sent = Instant::now();
            match timeout(self.deadline, pings.ping(Ping::opaque())).await {
                Ok(Ok(_)) => answered(sent.elapsed()),
                Ok(Err(_)) => pending().await,
                Err(_) => return,
            }
            sleep(self.interval).await;
        }
    }
}
