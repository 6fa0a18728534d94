//! Copies bytes between a target and a stream on the agent. Each direction ends by itself.
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

/// The size of the read buffer: the smallest for an idle pipe, and the largest for a busy one.
const CHUNK: std::ops::RangeInclusive<usize> = 4 << 10..=64 << 10;

/// The progress of the bytes to the target.
#[derive(Debug, Default)]
struct Upload {
    /// Whether the gateway has sent its last byte.
    ended: AtomicBool,
    /// How many bytes the target has taken. The number wraps.
    written: AtomicUsize,
}

/// Copies both ways until both directions have ended. A target that accepts no more bytes may still
/// send the rest of its own. Any other error ends the pipe at once.
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
        // RFC 9113 §8.5 defines this code for a failed connection behind a CONNECT.
        send.send_reset(Reason::CONNECT_ERROR);
        return downloaded;
    }
    // After this, an error must not reset the stream here. Dropping both halves resets it, after
    // what the target has sent is delivered (RFC 9113 §8.1).
    if let Some(uploaded) = uploaded {
        return uploaded;
    }
    select! {
        done = upload => done,
        reset = reset(&mut send) => Err(reset),
        () = lingered(&progress) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Resolves once a target has taken nothing for too long after the gateway has finished the pipe.
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

/// Writes what the gateway sends. Data that arrives while the target is busy is buffered, so that
/// the gateway's end or reset is seen at once. The buffer never exceeds the window, which reopens
/// only by what was written.
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
                // The gateway may send as much again only now.
                receive.flow_control().release_capacity(written).map_err(to_io)?;
            }
        }
        if now.is_empty() {
            now = std::mem::take(&mut behind).freeze();
        }
    }
    target.shutdown().await
}

/// Sends what the target writes, with at most one chunk buffered.
async fn from_target<IO: AsyncRead>(
    mut target: ReadHalf<IO>,
    send: &mut SendStream<Bytes>,
) -> io::Result<()> {
    let mut size = *CHUNK.start();
    let mut buffer = BytesMut::new();
    loop {
        // Small reads share an allocation, so a queue of them takes little more memory than their
        // bytes.
        if buffer.capacity() < size / 2 {
            buffer.reserve(size);
        }
        let read = if let Some(read) = target.read_buf(&mut buffer).now_or_never() {
            read?
        } else {
            // A pipe that waits has a small buffer, and one that waits often gets smaller ones.
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
                // An end or an error occurs again on the next read.
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
