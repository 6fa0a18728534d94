//! The numbers of the wire, for both ends (protocol.md §5 and §6).

use std::time::Duration;

/// What a peer may send on one stream before the sink took any of it: at 50 ms of round trip this
/// allows 10 MiB/s and more on each of any number of streams.
pub const STREAM_WINDOW: u32 = 512 << 10;

/// What one open pipe is charged: both of its windows, full.
pub const STREAM_COST: usize = STREAM_WINDOW as usize + SEND_BUFFER;

/// Streams at once on one connection.
pub(crate) const MAX_STREAMS: u32 = 256;

/// As much as all streams together, so that those whose readers stopped never use up what the
/// others need. It is a promise, not memory: what is held is bounded by [`crate::Budget`].
pub(crate) const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;

pub(crate) const FRAME_SIZE: u32 = 64 << 10;

/// What one stream may hold of what the peer has no window for yet.
pub(crate) const SEND_BUFFER: usize = 128 << 10;

/// Heads on this wire are a few hundred bytes.
pub(crate) const MAX_HEADERS: u32 = 16 << 10;

/// Time for the HTTP/2 preface and the hello together.
pub(crate) const HELLO_DEADLINE: Duration = Duration::from_secs(10);

/// Time for the answer to a CONNECT; the agent's own deadline for a dial is shorter.
pub(crate) const OPEN_DEADLINE: Duration = Duration::from_secs(15);

/// Time without progress that a target gets to take the rest of a pipe which the gateway has finished.
pub(crate) const LINGER: Duration = Duration::from_secs(30);

/// Time for a refused hello to reach the gateway.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

/// Time that a peer gets to close a connection which this end has finished.
pub(crate) const CLOSE_DEADLINE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Liveness;

    #[test]
    fn protocol_md_has_these_numbers() {
        let text = include_str!("../../docs/protocol.md").replace('\n', " ");
        let seconds = |time: Duration| format!("{} s", time.as_secs());
        let kibibytes = |bytes: usize| format!("{} KiB", bytes >> 10);
        for (clause, number) in [
            ("hello together take at most", seconds(HELLO_DEADLINE)),
            ("A gateway waits at most", seconds(OPEN_DEADLINE)),
            ("takes nothing for", seconds(LINGER)),
            ("the other, for at most", seconds(CLOSE_DEADLINE)),
            ("a PING at once and", seconds(Liveness::AGENT.interval)),
            ("not answered within", seconds(Liveness::AGENT.deadline)),
            (
                "between replicas they are",
                seconds(Liveness::PEER.interval),
            ),
            ("after each answer and", seconds(Liveness::PEER.deadline)),
            ("on one connection |", MAX_STREAMS.to_string()),
            ("window of a stream |", kibibytes(STREAM_WINDOW as usize)),
            (
                "window of a connection |",
                format!("{} MiB", CONNECTION_WINDOW >> 20),
            ),
            ("largest frame |", kibibytes(FRAME_SIZE as usize)),
            ("largest list of headers |", kibibytes(MAX_HEADERS as usize)),
            ("the peer has no window |", kibibytes(SEND_BUFFER)),
            ("and its send buffer,", kibibytes(STREAM_COST)),
        ] {
            let wanted = format!("{clause} {number}");
            assert!(text.contains(&wanted), "{wanted}");
        }
    }
}
