//! Lets a connection read although it cannot write. The HTTP/2 library reads nothing while a frame
//! that it owes, such as a PING or the answer to one, does not fit its write buffer. If both ends
//! are full at that moment, each one waits for the other one to read, until both count as dead. So
//! this takes over what is in the way of such a frame, up to a limit.
//!
//! ```text
//!  turn begins ──► has read all there is ──► the network takes no more: writes wait, as usual
//!       └────────► the network takes no more: what is written is kept here
//! ```

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::OVERFLOW;

/// A connection, and what was taken over.
#[derive(Debug)]
pub(crate) struct Overflow<IO> {
    io: IO,
    held: BytesMut,
    turn: Turn,
}

/// Tells an [`Overflow`] where one poll of its connection ends and the next one begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn {
    /// Whether the connection has read all that there was. If it writes before that, it writes what
    /// it must write before it reads on.
    has_read_all: Arc<AtomicBool>,
}

impl Turn {
    pub(crate) fn begin(&self) {
        self.note(false);
    }

    fn note(&self, has_read_all: bool) {
        self.has_read_all.store(has_read_all, Ordering::Relaxed);
    }

    fn has_read_all(&self) -> bool {
        self.has_read_all.load(Ordering::Relaxed)
    }
}

impl<IO> Overflow<IO> {
    pub(crate) fn new(io: IO, turn: Turn) -> Self {
        Self {
            io,
            held: BytesMut::new(),
            turn,
        }
    }
}

impl<IO: AsyncWrite + Unpin> Overflow<IO> {
    /// Writes what was taken over, which comes before everything else.
    fn poll_held(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(context, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(written);
        }
        self.held = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Takes over some of what the network does not take, if the connection waits for that.
    fn poll_take(&mut self, data: &[u8]) -> Poll<io::Result<usize>> {
        let length = data.len().min(OVERFLOW - self.held.len());
        if length == 0 || self.turn.has_read_all() {
            return Poll::Pending;
        }
        self.held.extend_from_slice(&data[..length]);
        Poll::Ready(Ok(length))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Overflow<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        self.turn.note(read.is_pending());
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Overflow<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.poll_held(context)?.is_ready()
            && let Poll::Ready(written) = Pin::new(&mut self.io).poll_write(context, data)
        {
            return Poll::Ready(written);
        }
        self.poll_take(data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.poll_held(context)?.is_ready()
            && let Poll::Ready(written) =
                Pin::new(&mut self.io).poll_write_vectored(context, slices)
        {
            return Poll::Ready(written);
        }
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.poll_take(first.map_or(&[], |slice| slice))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match self.poll_held(context)? {
            Poll::Ready(()) => Pin::new(&mut self.io).poll_flush(context)?,
            Poll::Pending => Poll::Pending,
        };
        // The connection flushes again at the end of its turn.
        if flushed.is_pending() && self.turn.has_read_all() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_held(context))?;
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_is_kept_only_before_all_was_read() {
        let (near, mut far) = duplex(10);
        let turn = Turn::default();
        let mut near = Overflow::new(near, turn.clone());
        near.write_all(&[1; 10]).await.unwrap();
        assert!(near.read(&mut [0]).now_or_never().is_none());
        assert!(near.write(&[2; 5]).now_or_never().is_none());
        turn.begin();
        far.write_u8(0).await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), 0);
        assert_eq!(near.write(&[2; 5]).now_or_never().unwrap().unwrap(), 5);
        near.flush().now_or_never().unwrap().unwrap();
        assert!(near.read(&mut [0]).now_or_never().is_none());
        assert!(near.write(&[3]).now_or_never().is_none());
        assert!(near.flush().now_or_never().is_none());
        let mut heard = [0; 15];
        let (read, flushed) = tokio::join!(far.read_exact(&mut heard), near.flush());
        assert_eq!((read.unwrap(), flushed.unwrap()), (15, ()));
        assert_eq!((&heard[..10], &heard[10..]), (&[1; 10][..], &[2; 5][..]));
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_and_arrives_before_the_end() {
        let (near, mut far) = duplex(10);
        let turn = Turn::default();
        let mut near = Overflow::new(near, turn.clone());
        turn.begin();
        let data = vec![1; OVERFLOW + 20];
        assert!(near.write_all(&data).now_or_never().is_none());
        let mut heard = Vec::new();
        let (read, ended) = tokio::join!(far.read_to_end(&mut heard), near.shutdown());
        assert_eq!((read.unwrap(), ended.unwrap()), (OVERFLOW + 10, ()));
    }
}
