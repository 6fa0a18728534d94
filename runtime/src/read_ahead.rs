//! A stream that is read in large pieces although its reader asks for small ones. rustls asks its
//! transport for 4 KiB at a time, and each read is a system call. An idle stream has no buffer.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

/// Four TLS records, because a peer that sends a lot has about that many ready.
const AHEAD: usize = 64 << 10;

/// Reads ahead after a read has filled the whole buffer of the reader.
#[derive(Debug)]
pub struct ReadAhead<IO> {
    io: IO,
    ahead: BytesMut,
    /// Whether the last read filled its buffer, so that more is expected.
    more: bool,
}

impl<IO> ReadAhead<IO> {
    /// Wraps a stream that nothing was read from yet.
    pub fn new(io: IO) -> Self {
        Self {
            io,
            ahead: BytesMut::new(),
            more: false,
        }
    }
}

impl<IO: AsyncRead + Unpin> ReadAhead<IO> {
    /// Copies what was read ahead to the reader. The buffer is freed if no more is expected.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead[..length]);
        self.ahead.advance(length);
        if self.ahead.is_empty() && !self.more {
            self.ahead = BytesMut::new();
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for ReadAhead<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() && !this.more {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.io).poll_read(context, buffer))?;
            this.more = buffer.remaining() == 0 && buffer.filled().len() > before;
            return Poll::Ready(Ok(()));
        }
        if this.ahead.is_empty() {
            this.ahead.reserve(AHEAD);
            let room = this.ahead.capacity();
            match poll_read_buf(Pin::new(&mut this.io), context, &mut this.ahead) {
                Poll::Ready(read) => this.more = read? == room,
                Poll::Pending => {
                    this.more = false;
                    this.ahead = BytesMut::new();
                    return Poll::Pending;
                }
            }
        }
        this.hand_out(buffer);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for ReadAhead<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn every_byte_comes_once_and_in_order_and_no_buffer_stays() {
        let (mut writer, reader) = duplex(1 << 20);
        let mut reader = ReadAhead::new(reader);
        let sent: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut read = Vec::new();
        let mut piece = [0; 4096];
        for part in sent.chunks(200_001) {
            writer.write_all(part).await.unwrap();
            let until = read.len() + part.len();
            while read.len() < until {
                let length = reader.read(&mut piece).await.unwrap();
                read.extend_from_slice(&piece[..length]);
            }
        }
        assert!(read == sent);
        drop(writer);
        assert_eq!(reader.read(&mut piece).await.unwrap(), 0);
        assert_eq!(reader.ahead.capacity(), 0);
    }

    #[tokio::test]
    async fn small_messages_are_read_without_a_buffer() {
        let (mut writer, reader) = duplex(1 << 20);
        let mut reader = ReadAhead::new(reader);
        let mut piece = [0; 4096];
        for _ in 0..3 {
            writer.write_all(&[7; 300]).await.unwrap();
            assert_eq!(reader.read(&mut piece).await.unwrap(), 300);
            assert_eq!(reader.ahead.capacity(), 0);
        }
    }
}
