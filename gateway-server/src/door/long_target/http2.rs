//! The frames of a caller's HTTP/2 connection (RFC 9113 §4.1). A header block of several frames is
//! held until it is complete, and gets another target if its own is too long. Pure.
//!
//! ```text
//!  Passing ──the end of the frame──► Head ──HEADERS, to be continued──► Block ◄──► BlockHead
//!     ▲                              │  ▲                                │            │
//!     │                              │  └──────── its last frame ────────┘            │
//!     └───────── another frame ──────┴────────── too large, or no CONTINUATION ◄──────┘
//! ```

use bytes::{BufMut as _, BytesMut};

use super::hpack;

const PREFACE: usize = 24;
const HEAD: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;
/// The largest frame that this server accepts.
const LARGEST_FRAME: usize = 16 << 10;
/// How much of a header block is held. The server accepts no larger ones anyway.
const MOST_HELD: usize = 288 << 10;

#[derive(Debug)]
pub(super) struct Frames {
    state: State,
    /// What does not pass yet: the beginning of a frame's head, or frames of a header block.
    held: BytesMut,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes pass.
    Passing(usize),
    /// The next byte belongs to the head of a frame.
    Head,
    /// So many bytes of a frame of a header block are to come.
    Block { left: usize, is_last: bool },
    /// So many bytes of the head of its next frame have come.
    BlockHead(usize),
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: [u8; 4],
}

impl Head {
    fn read(bytes: &[u8]) -> Self {
        let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        Self {
            length: length as usize,
            kind: bytes[3],
            flags: bytes[4],
            stream: [bytes[5], bytes[6], bytes[7], bytes[8]],
        }
    }

    fn write(self, into: &mut BytesMut) {
        into.put_uint(self.length as u64, 3);
        into.put_slice(&[self.kind, self.flags]);
        into.put_slice(&self.stream);
    }

    fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn begins_block(self) -> bool {
        self.kind == HEADERS && !self.has(END_HEADERS)
    }
}

impl Frames {
    pub(super) fn new() -> Self {
        Self {
            state: State::Passing(PREFACE),
            held: BytesMut::new(),
        }
    }

    pub(super) fn scan(&mut self, read: &[u8], ready: &mut BytesMut) -> usize {
        let passes = self.pass(read);
        let mut rest = &read[passes..];
        while !rest.is_empty() {
            rest = &rest[self.take(rest, ready)..];
        }
        passes
    }

    pub(super) fn end(&mut self) -> BytesMut {
        std::mem::take(&mut self.held)
    }

    /// How much passes where it is: all frames up to one that is not to pass, or whose head is not
    /// complete.
    fn pass(&mut self, read: &[u8]) -> usize {
        let mut at = 0;
        while at < read.len() && self.held.is_empty() {
            match self.state {
                State::Passing(left) => {
                    let length = left.min(read.len() - at);
                    self.state = State::passing(left - length);
                    at += length;
                }
                State::Head => match read[at..].get(..HEAD).map(Head::read) {
                    Some(head) if !head.begins_block() => {
                        self.state = State::passing(head.length);
                        at += HEAD;
                    }
                    _ => break,
                },
                State::Block { .. } | State::BlockHead(_) => break,
            }
        }
        at
    }

    /// Takes the next piece of what was read, and says how long it is.
    fn take(&mut self, read: &[u8], ready: &mut BytesMut) -> usize {
        let wanted = match self.state {
            State::Passing(left) | State::Block { left, .. } => left,
            State::Head => HEAD - self.held.len(),
            State::BlockHead(have) => HEAD - have,
        };
        let length = wanted.min(read.len());
        let is_whole = length == wanted;
        if let State::Passing(left) = self.state {
            ready.extend_from_slice(&read[..length]);
            self.state = State::passing(left - length);
            return length;
        }
        self.held.extend_from_slice(&read[..length]);
        match self.state {
            State::Head if is_whole => self.begin(ready),
            State::Passing(_) | State::Head => {}
            State::Block { is_last: true, .. } if is_whole => self.finish(ready),
            State::Block { .. } if is_whole => self.state = State::BlockHead(0),
            State::Block { left, is_last } => {
                let left = left - length;
                self.state = State::Block { left, is_last };
            }
            State::BlockHead(_) if is_whole => self.go_on(ready),
            State::BlockHead(have) => self.state = State::BlockHead(have + length),
        }
        length
    }

    /// The head of a frame is complete.
    fn begin(&mut self, ready: &mut BytesMut) {
        let head = Head::read(&self.held);
        if head.begins_block() && self.can_hold(head) {
            self.state = State::block(head.length, false);
        } else {
            ready.unsplit(self.end());
            self.state = State::passing(head.length);
        }
    }

    /// The head of another frame of a header block is complete.
    fn go_on(&mut self, ready: &mut BytesMut) {
        let head = Head::read(&self.held[self.held.len() - HEAD..]);
        if head.kind != CONTINUATION || !self.can_hold(head) {
            // The library will say what is wrong with it.
            ready.unsplit(self.end());
            self.state = State::passing(head.length);
            return;
        }
        let is_last = head.has(END_HEADERS);
        self.state = State::block(head.length, is_last);
        if is_last && head.length == 0 {
            self.finish(ready);
        }
    }

    /// A header block is complete.
    fn finish(&mut self, ready: &mut BytesMut) {
        let held = self.end();
        ready.unsplit(shortened(&held).unwrap_or(held));
        self.state = State::Head;
    }

    fn can_hold(&self, head: Head) -> bool {
        self.held.len() + head.length <= MOST_HELD
    }
}

impl State {
    fn passing(left: usize) -> Self {
        if left == 0 {
            Self::Head
        } else {
            Self::Passing(left)
        }
    }

    fn block(left: usize, is_last: bool) -> Self {
        if left == 0 && !is_last {
            Self::BlockHead(0)
        } else {
            Self::Block { left, is_last }
        }
    }
}

/// The frames of a header block with another target, if its own is too long.
fn shortened(frames: &[u8]) -> Option<BytesMut> {
    let (first, payload, mut rest) = frame(frames)?;
    let mut block = unpadded(first, payload)?.to_vec();
    while !rest.is_empty() {
        let (_, payload, more) = frame(rest)?;
        block.extend_from_slice(payload);
        rest = more;
    }
    let block = hpack::shortened(&block)?;
    let count = block.len().div_ceil(LARGEST_FRAME);
    let mut frames = BytesMut::with_capacity(block.len() + count * HEAD);
    for (at, part) in block.chunks(LARGEST_FRAME).enumerate() {
        let end = if at + 1 == count { END_HEADERS } else { 0 };
        let (kind, flags) = match at {
            0 => (HEADERS, end | first.flags & END_STREAM),
            _ => (CONTINUATION, end),
        };
        let head = Head {
            length: part.len(),
            kind,
            flags,
            stream: first.stream,
        };
        head.write(&mut frames);
        frames.put_slice(part);
    }
    Some(frames)
}

/// The first frame, and what comes after it.
fn frame(frames: &[u8]) -> Option<(Head, &[u8], &[u8])> {
    let (head, rest) = frames.split_at_checked(HEAD)?;
    let head = Head::read(head);
    let (payload, rest) = rest.split_at_checked(head.length)?;
    Some((head, payload, rest))
}

/// The part of a header block in a HEADERS frame (RFC 9113 §6.2).
fn unpadded(head: Head, mut payload: &[u8]) -> Option<&[u8]> {
    let mut padding = 0;
    if head.has(PADDED) {
        let (length, rest) = payload.split_first()?;
        (padding, payload) = (usize::from(*length), rest);
    }
    if head.has(PRIORITY) {
        payload = payload.get(5..)?;
    }
    payload.get(..payload.len().checked_sub(padding)?)
}
