//! Is the peer still there? A ping at once and then every 20 s; one that is not answered within
//! 20 s means no, long before TCP would notice (protocol.md §6).

use std::{future::pending, time::Duration};

use h2::{Ping, PingPong};
use tokio::time::{Instant, sleep, timeout};

use crate::limits::{PING_DEADLINE, PING_INTERVAL};

/// Pings until the peer is dead. A connection that fails otherwise says so itself.
pub(crate) async fn peer_death(mut pings: PingPong, mut answered: impl FnMut(Duration)) {
    loop {
        let sent = Instant::now();
        match timeout(PING_DEADLINE, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => answered(sent.elapsed()),
            Ok(Err(_)) => pending().await,
            Err(_) => return,
        }
        sleep(PING_INTERVAL).await;
    }
}
