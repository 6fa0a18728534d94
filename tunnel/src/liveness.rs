//! Is the peer still there? A ping at once and then one after each pause; one that is not answered in
//! time means no, long before TCP would notice (protocol.md §6).

use std::{future::pending, time::Duration};

use h2::{Ping, PingPong};
use tokio::time::{Instant, sleep, timeout};

use crate::limits::{PEER_PING_DEADLINE, PEER_PING_INTERVAL, PING_DEADLINE, PING_INTERVAL};

/// How soon an end notices that the other one is gone without a word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Liveness {
    pause: Duration,
    deadline: Duration,
}

impl Liveness {
    /// Between an agent and a gateway, over any network: within 45 s.
    pub const AGENT: Self = Self {
        pause: PING_INTERVAL,
        deadline: PING_DEADLINE,
    };
    /// Between two gateways of one hub: within 5 s.
    pub const PEER: Self = Self {
        pause: PEER_PING_INTERVAL,
        deadline: PEER_PING_DEADLINE,
    };
}

/// Pings until the peer is dead. A connection that fails otherwise says so itself.
pub(crate) async fn peer_death(
    mut pings: PingPong,
    liveness: Liveness,
    mut answered: impl FnMut(Duration),
) {
    loop {
        let sent = Instant::now();
        match timeout(liveness.deadline, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => answered(sent.elapsed()),
            Ok(Err(_)) => pending().await,
            Err(_) => return,
        }
        sleep(liveness.pause).await;
    }
}
