//! A stream of bytes in binary WebSocket messages (RFC 6455), for what stands between agent and gateway
//! and passes no other upgrade. A message means nothing: the bytes of all messages are the stream.
//!
//! ```text
//!  read:   head ──► payload ──► head …        ping: a pong is due      close: the end
//!  write:  bytes ──► one frame, which is written whole before the next one
//! ```

mod frame;
mod handshake;

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::frame::{Head, LONGEST_HEAD, Opcode};
pub use self::handshake::{BECAUSE, SUBPROTOCOL, VERSION, accept};

/// The most bytes of one frame that is sent.
const LONGEST_PAYLOAD: usize = 16 << 10;
/// The most bytes of the payload of a control frame (RFC 6455 §5.5).
const LONGEST_CONTROL: usize = 125;

/// A stream of bytes in WebSocket messages.
pub struct WebSocket<IO> {
    io: IO,
    /// Makes the key of each frame, if this end is the client, which masks what it sends.
    keys: Option<Box<dyn FnMut() -> [u8; 4] + Send>>,
    reading: Reading,
    /// Bytes that were read and are no payload yet: at most a head and the payload of a control frame.
    read: BytesMut,
    /// Frames that are not written yet: at most one of data, and one pong or close.
    written: BytesMut,
    /// The payload of the last ping that has no pong yet.
    pong: Option<BytesMut>,
    /// The close frame is in `written`, or on the wire.
    closed: bool,
}

#[derive(Debug)]
enum Reading {
    /// The next bytes are a head.
    Head,
    /// The next bytes are payload of the stream.
    Payload { left: u64, mask: Mask },
    /// The other end has closed.
    End,
}

/// The key of a frame, turned to the next byte.
#[derive(Clone, Copy, Debug)]
struct Mask {
    key: [u8; 4],
    at: usize,
}

impl Mask {
    fn new(key: [u8; 4]) -> Self {
        Self { key, at: 0 }
    }

    fn apply(&mut self, bytes: &mut [u8]) {
        if self.key == [0; 4] {
            return;
        }
        for byte in bytes {
            *byte ^= self.key[self.at];
            self.at = (self.at + 1) % 4;
        }
    }
}

impl<IO> WebSocket<IO> {
    /// The client's end, which needs a key that nobody can predict for each frame.
    pub fn client(io: IO, keys: impl FnMut() -> [u8; 4] + Send + 'static) -> Self {
        Self::new(io, Some(Box::new(keys)))
    }

    /// The server's end.
    pub fn server(io: IO) -> Self {
        Self::new(io, None)
    }

    fn new(io: IO, keys: Option<Box<dyn FnMut() -> [u8; 4] + Send>>) -> Self {
        Self {
            io,
            keys,
            reading: Reading::Head,
            read: BytesMut::new(),
            written: BytesMut::new(),
            pong: None,
            closed: false,
        }
    }

    fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let key = self.keys.as_mut().map(|next| next());
        frame::put_head(&mut self.written, opcode, payload.len(), key);
        let begin = self.written.len();
        self.written.extend_from_slice(payload);
        if let Some(key) = key {
            Mask::new(key).apply(&mut self.written[begin..]);
        }
    }

    /// Takes the next head off what was read. `None` if it is not there whole, with a control frame's
    /// payload.
    fn next_head(&mut self) -> io::Result<Option<Head>> {
        let masked = self.keys.is_none();
        let Some((head, length)) = Head::read(&self.read, masked)? else {
            return Ok(None);
        };
        if head.opcode.is_control() {
            let payload = usize::try_from(head.length).unwrap_or(usize::MAX);
            if self.read.len() < length.saturating_add(payload) {
                return Ok(None);
            }
        }
        self.read.advance(length);
        Ok(Some(head))
    }

    /// Carries out what a head says. The payload of a control frame is in `read`.
    fn take(&mut self, head: &Head) {
        let mut mask = Mask::new(head.key);
        match head.opcode {
            Opcode::Data => {
                self.reading = Reading::Payload {
                    left: head.length,
                    mask,
                };
            }
            Opcode::Ping | Opcode::Pong | Opcode::Close => {
                let length = usize::try_from(head.length).unwrap_or(LONGEST_CONTROL);
                let mut payload = self.read.split_to(length);
                mask.apply(&mut payload);
                match head.opcode {
                    // Only the last ping needs a pong (RFC 6455 §5.5.3).
                    Opcode::Ping => self.pong = Some(payload),
                    Opcode::Close => self.reading = Reading::End,
                    Opcode::Data | Opcode::Pong => {}
                }
            }
        }
    }
}

impl<IO: AsyncWrite + Unpin> WebSocket<IO> {
    /// Writes all frames that are waiting.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.written.is_empty() {
                let written = ready!(Pin::new(&mut self.io).poll_write(context, &self.written))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.written.advance(written);
            }
            match self.pong.take().filter(|_| !self.closed) {
                Some(payload) => self.frame(Opcode::Pong, &payload),
                None => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            match &mut this.reading {
                Reading::End => return Poll::Ready(Ok(())),
                Reading::Payload { left: 0, .. } => this.reading = Reading::Head,
                Reading::Payload { left, mask } => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX);
                    let most = most.min(buffer.remaining());
                    let begin = buffer.filled().len();
                    if this.read.is_empty() {
                        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
                        ready!(Pin::new(&mut this.io).poll_read(context, &mut part))?;
                        let length = part.filled().len();
                        if length == 0 {
                            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                        }
                        buffer.advance(length);
                    } else {
                        let length = most.min(this.read.len());
                        buffer.put_slice(&this.read.split_to(length));
                    }
                    let bytes = &mut buffer.filled_mut()[begin..];
                    *left -= bytes.len() as u64;
                    mask.apply(bytes);
                    return Poll::Ready(Ok(()));
                }
                Reading::Head => {
                    if let Some(head) = this.next_head()? {
                        this.take(&head);
                        if this.pong.is_some() {
                            // If it does not go out now, it goes with the next bytes.
                            let _ = this.poll_drain(context)?;
                        }
                        continue;
                    }
                    let mut piece = [0; LONGEST_HEAD + LONGEST_CONTROL];
                    let room = piece.len() - this.read.len();
                    let mut part = ReadBuf::new(&mut piece[..room]);
                    ready!(Pin::new(&mut this.io).poll_read(context, &mut part))?;
                    match part.filled() {
                        // Between two frames, a stream without a close frame may end, too.
                        [] if this.read.is_empty() => this.reading = Reading::End,
                        [] => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                        bytes => this.read.extend_from_slice(bytes),
                    }
                }
            }
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for WebSocket<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(this.poll_drain(context))?;
        let length = buffer.len().min(LONGEST_PAYLOAD);
        if length > 0 {
            this.frame(Opcode::Data, &buffer[..length]);
            // They are taken over, whether or not they go out now.
            if let Poll::Ready(Err(error)) = this.poll_drain(context) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(context))?;
        Pin::new(&mut this.io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.closed {
            ready!(this.poll_drain(context))?;
            this.frame(Opcode::Close, &frame::NORMAL_CLOSURE);
            this.closed = true;
        }
        ready!(this.poll_drain(context))?;
        Pin::new(&mut this.io).poll_shutdown(context)
    }
}

impl<IO: fmt::Debug> fmt::Debug for WebSocket<IO> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WebSocket")
            .field("io", &self.io)
            .field("reading", &self.reading)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
