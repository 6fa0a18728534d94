//! The limits of the protocol, for both ends (protocol.md §5 and §6).

use std::time::Duration;

/// How many bytes a peer may send on one stream before the receiver has read any. With a round trip
/// of 50 ms this allows at least 10 MiB/s on each stream, however many there are.
pub const STREAM_WINDOW: u32 = 512 << 10;

/// What one open pipe is charged: both of its windows.
pub const STREAM_COST: usize = STREAM_WINDOW as usize + SEND_BUFFER;

/// How many streams may be open on one connection.
pub(crate) const MAX_STREAMS: u32 = 256;

/// As much as all streams together, so that streams whose readers have stopped never use up what
/// the others need. It does not reserve memory, which [`crate::Budget`] limits.
pub(crate) const CONNECTION_WINDOW: u32 = MAX_STREAMS * STREAM_WINDOW;

pub(crate) const FRAME_SIZE: u32 = 64 << 10;

/// How many bytes one stream may buffer while the peer has no window for them.
pub(crate) const SEND_BUFFER: usize = 128 << 10;

/// How much one connection takes over that the network does not take: what can be in the way of an
/// owed frame, which is one of the largest frames and the library's buffer of 16 KiB.
pub(crate) const OVERFLOW: usize = 128 << 10;

/// Headers of this protocol have a few hundred bytes.
pub(crate) const MAX_HEADERS: u32 = 16 << 10;

/// The deadline of the HTTP/2 preface and the hello together.
pub(crate) const HELLO_DEADLINE: Duration = Duration::from_secs(10);

/// The deadline of an answer to a CONNECT. The agent's own deadline for a dial is shorter.
pub(crate) const OPEN_DEADLINE: Duration = Duration::from_secs(15);

/// How long a target may take nothing of a pipe that the gateway has finished.
pub(crate) const LINGER: Duration = Duration::from_secs(30);

/// The deadline for a refused hello to reach the gateway.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

/// How long a peer may take to close a connection that this end has finished.
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
            ("so that it reads on |", kibibytes(OVERFLOW)),
            ("and its send buffer,", kibibytes(STREAM_COST)),
        ] {
            let wanted = format!("{clause} {number}");
            assert!(text.contains(&wanted), "{wanted}");
        }
    }
}
