//! Bytes between the two ends of an upgraded connection: each direction until its own end, and none
//! that was read is lost.
//!
//! ```text
//!  copying ──the source's EOF──► the sink is told ──► over
//!     ├─ the source breaks: the sink gets the rest ──► both directions are over
//!     └─ the sink takes no more ──► over; what it still has to say is the other direction's
//! ```
//!
//! If the caller breaks, the spoke's connection is dropped without an EOF, which resets it: the
//! spoke must not take half of a message for all of it. Otherwise, when both directions are over,
//! an end that has not closed yet is read until it has. To close with unread data would be a reset,
//! and the peer would lose what it has not read (RFC 9112 §9.6).

use std::{io, pin::pin, time::Duration};

use futures::FutureExt as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    join, select,
    time::timeout,
};

use crate::metrics::Counter;

/// What is buffered of each direction.
const BUFFER: usize = 16 << 10;
/// How long an end may take to close after both directions are over.
const LINGER: Duration = Duration::from_secs(5);

/// How one direction ended.
#[derive(Debug)]
enum End {
    /// The source finished, and the sink knows.
    Finished,
    /// The source broke, and the sink has what it said before.
    Source(io::Error),
    /// The sink takes no more.
    Sink(io::Error),
}

/// Copies both ways until both ends are done, and counts what the caller took. Dropping it closes
/// both at once.
pub(super) async fn splice<A, B>(caller: A, spoke: B, to_caller: Counter) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite,
    B: AsyncRead + AsyncWrite,
{
    let (mut from_caller, mut into_caller) = split(caller);
    let (mut from_spoke, mut into_spoke) = split(spoke);
    let (mut uploaded, mut downloaded) = (None, None);
    {
        let mut upload = pin!(copy(&mut from_caller, &mut into_spoke, |_| {}));
        let mut download = pin!(copy(&mut from_spoke, &mut into_caller, |length| {
            to_caller.inc_by(length as u64);
        }));
        while uploaded.is_none() || downloaded.is_none() {
            select! {
                end = &mut upload, if uploaded.is_none() => match end {
                    End::Source(error) => return Err(error),
                    end => uploaded = Some(end),
                },
                end = &mut download, if downloaded.is_none() => {
                    if let End::Source(_) = downloaded.insert(end) {
                        break;
                    }
                }
            }
        }
    }
    let closing = async {
        join!(
            linger(&mut from_caller, &mut into_caller, uploaded.as_ref()),
            linger(&mut from_spoke, &mut into_spoke, downloaded.as_ref()),
        )
    };
    // An end that does not close in time has had its chance to read.
    let _ = timeout(LINGER, closing).await;
    for end in [uploaded, downloaded].into_iter().flatten() {
        if let End::Source(error) | End::Sink(error) = end {
            return Err(error);
        }
    }
    Ok(())
}

async fn copy(
    source: &mut (impl AsyncRead + Unpin),
    sink: &mut (impl AsyncWrite + Unpin),
    written: impl Fn(usize),
) -> End {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = if let Some(read) = source.read(&mut buffer).now_or_never() {
            read
        } else {
            // Nothing more to send along with what was sent last.
            if let Err(error) = sink.flush().await {
                return End::Sink(error);
            }
            source.read(&mut buffer).await
        };
        let sent = match read {
            Ok(0) => {
                return sink
                    .shutdown()
                    .await
                    .map_or_else(End::Sink, |()| End::Finished);
            }
            Ok(length) => sink.write_all(&buffer[..length]).await.map(|()| length),
            Err(error) => return End::Source(error),
        };
        match sent {
            Ok(length) => written(length),
            Err(error) => return End::Sink(error),
        }
    }
}

/// Shuts down the writing side of an end, and reads until the end has closed. `said` is how the
/// direction from it ended: only if the end did not finish or break itself can more data come.
async fn linger(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
    said: Option<&End>,
) {
    // One that takes no more may still be closing in good order.
    let _ = writer.shutdown().await;
    if matches!(said, Some(End::Finished | End::Source(_))) {
        return;
    }
    let mut unread = [0; 1024];
    while matches!(reader.read(&mut unread).await, Ok(1..)) {}
}

#[cfg(test)]
mod tests;
