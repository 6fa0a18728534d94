//! One pipe through a tunnel: an HTTP/2 stream as `AsyncRead` and `AsyncWrite`. The peer's window
//! reopens only by what the reader has taken. A shutdown ends one direction. Dropping a pipe that
//! is not finished resets only this stream.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Session, limits::FRAME_SIZE, session::Occupied};

/// A pipe to a target on the agent's side.
#[derive(Debug)]
pub struct Stream {
    send: SendStream<Bytes>,
    receive: RecvStream,
    /// Received bytes that the reader has not taken yet.
    unread: Bytes,
    /// How much of the last received frame the reader has taken. The window reopens by whole
    /// frames.
    taken: usize,
    /// Whether this end has ended its direction.
    finished: bool,
    occupied: Occupied,
}

impl Stream {
    pub(crate) fn new(send: SendStream<Bytes>, receive: RecvStream, occupied: Occupied) -> Self {
        Self {
            send,
            receive,
            unread: Bytes::new(),
            taken: 0,
            finished: false,
            occupied,
        }
    }

    /// The session that the pipe goes through.
    pub fn session(&self) -> Session {
        self.occupied.session()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.receive.poll_data(context)) {
                Some(data) => self.unread = data.map_err(to_io)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..length]);
        self.unread.advance(length);
        self.taken += length;
        if self.unread.is_empty() {
            let taken = std::mem::take(&mut self.taken);
            self.receive
                .flow_control()
                .release_capacity(taken)
                .map_err(to_io)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let wanted = buffer.len().min(FRAME_SIZE as usize);
        let granted = ready!(poll_capacity(&mut self.send, wanted, context))?;
        let length = granted.min(wanted);
        let data = Bytes::copy_from_slice(&buffer[..length]);
        self.send.send_data(data, false).map_err(to_io)?;
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection sends what was written, so there is nothing to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Wrappers such as TLS may shut down more than once.
        if !self.finished {
            self.send.send_data(Bytes::new(), true).map_err(to_io)?;
            self.finished = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// Waits until some of `wanted` bytes may be sent, and returns how many. A writer that gives up
/// keeps at most its last `wanted` bytes of the peer's connection window, which has room for all
/// streams.
pub(crate) fn poll_capacity(
    send: &mut SendStream<Bytes>,
    wanted: usize,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    send.reserve_capacity(wanted);
    loop {
        let granted = send.capacity();
        if granted > 0 {
            return Poll::Ready(Ok(granted));
        }
        match ready!(send.poll_capacity(context)) {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Poll::Ready(Err(to_io(error))),
            None => return Poll::Ready(Err(why_closed(send, context))),
        }
    }
}

/// Why a stream accepts no more bytes.
fn why_closed(send: &mut SendStream<Bytes>, context: &mut Context<'_>) -> io::Error {
    match send.poll_reset(context) {
        Poll::Ready(reset) => reset_to_io(reset),
        // This end has ended its direction.
        Poll::Pending => io::ErrorKind::BrokenPipe.into(),
    }
}

/// The error for the result of `poll_reset`: a reset of one stream, or the end of the whole
/// connection.
pub(crate) fn reset_to_io(reset: Result<Reason, h2::Error>) -> io::Error {
    match reset {
        Ok(reason) => io::Error::new(io::ErrorKind::ConnectionReset, h2::Error::from(reason)),
        Err(error) => to_io(error),
    }
}

/// Maps a reset of one stream to a reset, and other errors to the end of the connection.
pub(crate) fn to_io(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().expect("it is one");
    }
    let kind = if error.is_reset() {
        io::ErrorKind::ConnectionReset
    } else {
        io::ErrorKind::ConnectionAborted
    };
    io::Error::new(kind, error)
}
