//! One byte pipe through a tunnel: an HTTP/2 stream as `AsyncRead` and `AsyncWrite`. The peer's
//! window opens again only by what the reader took; a shutdown ends one direction; dropping a pipe
//! that is not done resets just this stream.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Session, limits::FRAME_SIZE, session::Occupied};

/// A byte pipe to a target on the agent's side.
#[derive(Debug)]
pub struct Stream {
    send: SendStream<Bytes>,
    receive: RecvStream,
    /// Received, and not taken by the reader yet.
    unread: Bytes,
    /// Taken by the reader of what was received last: the window opens again by whole frames.
    taken: usize,
    /// This end has said that it sends no more.
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

    /// The connection that it goes through.
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
        // What was written is the connection's to send; there is nothing to hurry.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Wrappers such as TLS may ask more than once.
        if !self.finished {
            self.send.send_data(Bytes::new(), true).map_err(to_io)?;
            self.finished = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// Waits until some of `wanted` bytes may be sent, and says how many. A writer that gives up keeps at
/// most its last `wanted` of the peer's connection window, which has room for every stream's.
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

/// Why a stream takes no more bytes.
fn why_closed(send: &mut SendStream<Bytes>, context: &mut Context<'_>) -> io::Error {
    match send.poll_reset(context) {
        Poll::Ready(reset) => reset_to_io(reset),
        // This end has shut it down itself.
        Poll::Pending => io::ErrorKind::BrokenPipe.into(),
    }
}

/// What `poll_reset` told: the peer's reset of one stream, or the end of the whole connection.
pub(crate) fn reset_to_io(reset: Result<Reason, h2::Error>) -> io::Error {
    match reset {
        Ok(reason) => io::Error::new(io::ErrorKind::ConnectionReset, h2::Error::from(reason)),
        Err(error) => to_io(error),
    }
}

/// A reset of one stream is a reset; anything else ended the whole connection.
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
