//! Bytes between a target and a stream, on the agent: each direction until its own end, with at
//! most one chunk in hand.

use std::{future::poll_fn, io};

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split,
};

use crate::stream::{poll_capacity, to_io};

/// What an idle pipe sets aside for reading, and what a busy one grows to.
const CHUNK: std::ops::RangeInclusive<usize> = 4 << 10..=64 << 10;

/// Copies both ways until both ends are done; an error on either ends the pipe.
pub(crate) async fn pump<IO: AsyncRead + AsyncWrite>(
    target: IO,
    mut send: SendStream<Bytes>,
    receive: RecvStream,
) -> io::Result<()> {
    let (reader, writer) = split(target);
    let copied = tokio::try_join!(to_target(receive, writer), from_target(reader, &mut send));
    if copied.is_err() {
        send.send_reset(Reason::CANCEL);
    }
    copied.map(drop)
}

async fn to_target<IO: AsyncWrite>(
    mut receive: RecvStream,
    mut target: WriteHalf<IO>,
) -> io::Result<()> {
    while let Some(data) = receive.data().await {
        let data = data.map_err(to_io)?;
        target.write_all(&data).await?;
        // Only now may the gateway send as much again.
        receive
            .flow_control()
            .release_capacity(data.len())
            .map_err(to_io)?;
    }
    target.shutdown().await
}

async fn from_target<IO: AsyncRead>(
    mut target: ReadHalf<IO>,
    send: &mut SendStream<Bytes>,
) -> io::Result<()> {
    let mut size = *CHUNK.start();
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(size);
        let read = tokio::select! {
            read = target.read_buf(&mut buffer) => read?,
            reset = poll_fn(|context| send.poll_reset(context)) => {
                return Err(reset.map_or_else(to_io, |reason| to_io(reason.into())));
            }
        };
        if read == 0 {
            return send.send_data(Bytes::new(), true).map_err(to_io);
        }
        if read >= size {
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
