//! Requests whose target is longer than the HTTP library can keep. It would reset their stream as
//! malformed, which the hub's API server takes for a fault of the server and repeats for a minute, or
//! answer with nothing but a code. So they reach the library with [`TOO_LONG_PATH`] instead, and the
//! caller is told what the limit is.
//!
//! Over HTTP/2 this reads the heads of frames. Everything passes as it is but a header block that
//! takes more than one frame, as one with a long target must: its HEADERS and CONTINUATIONs are held
//! until it is complete. Over HTTP/1.1 only the first line of the connection is looked at: requests
//! that upgrade have one of their own.

mod hpack;
mod http1;
mod http2;

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::{http1::FirstLine, http2::Frames};
use crate::route::TOO_LONG_PATH;

/// A caller's connection, whose targets are never too long.
#[derive(Debug)]
pub(super) struct LongTargets<IO> {
    io: IO,
    scanner: Scanner,
    /// What comes before everything that is still to be read.
    ready: BytesMut,
}

#[derive(Debug)]
enum Scanner {
    Http1(FirstLine),
    Http2(Frames),
}

impl<IO> LongTargets<IO> {
    /// Wraps a connection that nothing was read from yet.
    pub(super) fn new(io: IO, is_http2: bool) -> Self {
        let scanner = if is_http2 {
            Scanner::Http2(Frames::new())
        } else {
            Scanner::Http1(FirstLine::new())
        };
        Self {
            io,
            scanner,
            ready: BytesMut::new(),
        }
    }
}

impl Scanner {
    /// Looks at what was read. The result says how much of its beginning passes as it is; what `ready`
    /// contains then comes after that.
    fn scan(&mut self, read: &[u8], ready: &mut BytesMut) -> usize {
        match self {
            Self::Http1(line) => line.scan(read, ready),
            Self::Http2(frames) => frames.scan(read, ready),
        }
    }

    /// There is no more to read.
    fn end(&mut self) -> BytesMut {
        match self {
            Self::Http1(line) => line.end(),
            Self::Http2(frames) => frames.end(),
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for LongTargets<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.ready.is_empty() {
                let length = this.ready.len().min(buffer.remaining());
                buffer.put_slice(&this.ready[..length]);
                this.ready.advance(length);
                if this.ready.is_empty() {
                    this.ready = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.io).poll_read(context, buffer))?;
            let read = &buffer.filled()[before..];
            if read.is_empty() {
                this.ready = this.scanner.end();
                if this.ready.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            let passes = this.scanner.scan(read, &mut this.ready);
            buffer.set_filled(before + passes);
            if passes > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for LongTargets<IO> {
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
        buffers: &[IoSlice<'_>],
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

/// Checks that everything passes as it is, or with another target, in pieces of any size.
pub(super) fn fuzz(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else {
        return;
    };
    let marker = TOO_LONG_PATH.as_bytes();
    for is_http2 in [false, true] {
        let whole = scanned(bytes, bytes.len().max(1), is_http2);
        let is_other = whole.windows(marker.len()).any(|it| it == marker);
        assert!(whole == bytes || is_other);
        assert!(whole == scanned(bytes, usize::from(*size) + 1, is_http2));
    }
}

fn scanned(bytes: &[u8], size: usize, is_http2: bool) -> Vec<u8> {
    let mut target = LongTargets::new((), is_http2);
    let mut passed = Vec::new();
    for piece in bytes.chunks(size) {
        let length = target.scanner.scan(piece, &mut target.ready);
        passed.extend_from_slice(&piece[..length]);
        passed.extend_from_slice(&target.ready.split());
    }
    passed.extend_from_slice(&target.scanner.end());
    passed
}

#[cfg(test)]
mod tests;
