//! TCP keepalive, for the connections that HTTP/2's own pings do not watch over: upgraded ones,
//! whose peer may vanish without a word.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Silence after which the peer is probed.
const IDLE: Duration = Duration::from_secs(20);
/// Time between probes, three of which may be lost.
const INTERVAL: Duration = Duration::from_secs(8);
const PROBES: u32 = 3;

/// Declares the peer dead within 45 s, and sends small writes at once.
pub(crate) fn keep_alive(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(IDLE)
        .with_interval(INTERVAL)
        .with_retries(PROBES);
    // Neither can fail on an open TCP socket, and neither is worth losing the connection for.
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
    let _ = stream.set_nodelay(true);
}
