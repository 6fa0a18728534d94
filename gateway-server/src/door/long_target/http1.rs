//! The first line of an HTTP/1.1 connection, with another target if its own is too long. Pure.
//!
//! ```text
//!  Line ──the end of the target──► Passing
//!    └─ it is too long ──► Skipping ──the end of the target──► Passing
//! ```

use bytes::BytesMut;

use super::TOO_LONG_PATH;
use crate::proxy::target_uri::LONGEST;

/// A method has fewer bytes.
const LONGEST_METHOD: usize = 32;

#[derive(Debug)]
pub(super) struct FirstLine {
    state: State,
    /// The beginning of the line.
    held: BytesMut,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Line,
    Skipping,
    Passing,
}

/// What is known from the beginning of a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Target {
    MayGoOn,
    /// It is short enough, or there is none.
    Ends,
    /// It begins here.
    TooLong(usize),
}

impl Target {
    fn of(line: &[u8]) -> Self {
        let method = line.iter().take(LONGEST_METHOD).position(|it| is_end(*it));
        let begin = match method {
            Some(at) if line[at] == b' ' => at + 1,
            None if line.len() < LONGEST_METHOD => return Self::MayGoOn,
            _ => return Self::Ends,
        };
        let target = &line[begin..];
        if target.iter().take(LONGEST + 1).any(|it| is_end(*it)) {
            Self::Ends
        } else if target.len() > LONGEST {
            Self::TooLong(begin)
        } else {
            Self::MayGoOn
        }
    }
}

impl FirstLine {
    pub(super) fn new() -> Self {
        Self {
            state: State::Line,
            held: BytesMut::new(),
        }
    }

    pub(super) fn scan(&mut self, read: &[u8], ready: &mut BytesMut) -> usize {
        match self.state {
            State::Passing => return read.len(),
            State::Line if self.held.is_empty() && Target::of(read) == Target::Ends => {
                self.state = State::Passing;
                return read.len();
            }
            State::Line => self.line(read, ready),
            State::Skipping => self.skip(read, ready),
        }
        0
    }

    pub(super) fn end(&mut self) -> BytesMut {
        std::mem::take(&mut self.held)
    }

    fn line(&mut self, read: &[u8], ready: &mut BytesMut) {
        self.held.extend_from_slice(read);
        match Target::of(&self.held) {
            Target::MayGoOn => {}
            Target::Ends => {
                ready.unsplit(self.end());
                self.state = State::Passing;
            }
            Target::TooLong(begin) => {
                let held = self.end();
                ready.extend_from_slice(&held[..begin]);
                ready.extend_from_slice(TOO_LONG_PATH.as_bytes());
                self.state = State::Skipping;
                self.skip(&held[begin..], ready);
            }
        }
    }

    fn skip(&mut self, read: &[u8], ready: &mut BytesMut) {
        if let Some(end) = read.iter().position(|it| is_end(*it)) {
            ready.extend_from_slice(&read[end..]);
            self.state = State::Passing;
        }
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b' ' | b'\r' | b'\n')
}
