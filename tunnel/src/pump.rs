//! Bytes between a target and a stream, on the agent: each direction until its own end.
//!
//! ```text
//!  both open ──target's EOF──► uploading ──gateway's EOF, all written──► done
//!      │ └──gateway's EOF, all written──► downloading ──target's EOF──► done
//!      └─ a write fails: downloading, then reset; a read fails, or the gateway resets: reset
//! ```

use std::{
    future::poll_fn,
    io,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytes::{Buf as _, Bytes, BytesMut};
use futures::FutureExt as _;
use h2::{Reason, RecvStream, SendStream};
use tokio::{
    io::{
        AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split,
    },
    select,
    time::sleep,
};

use crate::{
    limits::LINGER,
    stream::{poll_capacity, reset_to_io, to_io},
};

/// What an idle pipe sets aside for reading, and what a busy one grows to.
const CHUNK: std::ops::RangeInclusive<usize> = 4 << 10..=64 << 10;

/// How far the bytes for the target have come.
#[derive(Debug, Default)]
struct Upload {
    /// The gateway has sent its last byte.
    ended: AtomicBool,
    /// Bytes that the target took, wrapping.
    written: AtomicUsize,
}

/// Copies both ways until both ends are done. A target that takes no more bytes may still finish what
/// it has to say; any other error ends the pipe at once.
pub(crate) async fn pump<IO: AsyncRead + AsyncWrite>(
    target: IO,
    mut send: SendStream<Bytes>,
    receive: RecvStream,
) -> io::Result<()> {
    let (reader, writer) = split(target);
    let progress = Upload::default();
    let (mut upload, mut uploaded) = (pin!(to_target(receive, writer, &progress)), None);
    let downloaded = {
        let mut download = pin!(from_target(reader, &mut send));
        loop {
            select! {
                done = &mut download => break done,
                done = &mut upload, if uploaded.is_none() => uploaded = Some(done),
            }
        }
    };
    if downloaded.is_err() {
        // RFC 9113 §8.5: what a failed connection behind a CONNECT is called.
        send.send_reset(Reason::CONNECT_ERROR);
        return downloaded;
    }
    // From here on an error leaves the reset to the drop of both halves, which lets out first what the
    // target has said (RFC 9113 §8.1).
    if let Some(uploaded) = uploaded {
        return uploaded;
    }
    select! {
        done = upload => done,
        reset = reset(&mut send) => Err(reset),
        () = lingered(&progress) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Resolves once the gateway, which is done with the pipe, has waited long enough for a target that
/// takes nothing.
async fn lingered(progress: &Upload) {
    loop {
        let written = progress.written.load(Ordering::Relaxed);
        let ended = progress.ended.load(Ordering::Relaxed);
        sleep(LINGER).await;
        if ended && progress.written.load(Ordering::Relaxed) == written {
            return;
        }
    }
}

async fn reset(send: &mut SendStream<Bytes>) -> io::Error {
    reset_to_io(poll_fn(|context| send.poll_reset(context)).await)
}

/// Writes what the gateway sends. What it sends while the target is busy is taken in, too, so that its
/// end or reset is seen at once; that is never more than the window, which opens only by what was
/// written.
async fn to_target<IO: AsyncWrite>(
    mut receive: RecvStream,
    mut target: WriteHalf<IO>,
    progress: &Upload,
) -> io::Result<()> {
    let (mut now, mut behind) = (Bytes::new(), BytesMut::new());
    let mut ended = false;
    while !(ended && now.is_empty()) {
        select! {
            data = receive.data(), if !ended => match data {
                Some(data) if now.is_empty() => now = data.map_err(to_io)?,
                Some(data) => behind.extend_from_slice(&data.map_err(to_io)?),
                None => {
                    ended = true;
                    progress.ended.store(true, Ordering::Relaxed);
                }
            },
            written = target.write(&now), if !now.is_empty() => {
                let written = written?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                now.advance(written);
                progress.written.fetch_add(written, Ordering::Relaxed);
                // Only now may the gateway send as much again.
                receive.flow_control().release_capacity(written).map_err(to_io)?;
            }
        }
        if now.is_empty() {
            now = std::mem::take(&mut behind).freeze();
        }
    }
    target.shutdown().await
}

/// Sends what the target says, with at most one chunk in hand.
async fn from_target<IO: AsyncRead>(
    mut target: ReadHalf<IO>,
    send: &mut SendStream<Bytes>,
) -> io::Result<()> {
    let mut size = *CHUNK.start();
    let mut buffer = BytesMut::new();
    loop {
        // Small reads share an allocation: a queue of them holds little more than their bytes.
        if buffer.capacity() < size / 2 {
            buffer.reserve(size);
        }
        let read = if let Some(read) = target.read_buf(&mut buffer).now_or_never() {
            read?
        } else {
            // A pipe that waits holds little, and one that waits often comes to read little.
            size = (size / 2).max(*CHUNK.start());
            if buffer.capacity() > *CHUNK.start() {
                buffer = BytesMut::with_capacity(*CHUNK.start());
            }
            let read = select! {
                read = target.read_buf(&mut buffer) => read?,
                reset = reset(send) => return Err(reset),
            };
            if read > 0 && buffer.capacity() == buffer.len() {
                buffer.reserve(size);
                // An end or an error is there again the next time.
                let _ = target.read_buf(&mut buffer).now_or_never();
            }
            read
        };
        if read == 0 {
            return send.send_data(Bytes::new(), true).map_err(to_io);
        }
        if buffer.len() >= size {
            size = (size * 2).min(*CHUNK.end());
        }
        let mut data = buffer.split().freeze();
        while !data.is_empty() {
            let granted = poll_fn(|context| poll_capacity(send, data.len(), context)).await?;
            let part = data.split_to(granted.min(data.len()));
            send.send_data(part, false).map_err(to_io)?;
        }
    }
}
