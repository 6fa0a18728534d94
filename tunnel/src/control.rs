//! What a gateway tells an attached agent: lines of text on the body of the hello (protocol.md §3).
//! [`Speaker`] is the gateway's end of it and [`Listener`] the agent's. This file is pure.

mod listener;
mod speaker;

use bytes::Bytes;

pub(crate) use self::{
    listener::{Heard, Listener},
    speaker::Speaker,
};

/// The capability of an end that tells or hears the number of replicas.
pub(crate) const REPLICAS: &str = "replicas";
/// The largest length of a line in bytes.
const MAX_LINE: usize = 64;

/// The line that tells how many replicas there are.
fn replicas(number: u16) -> Bytes {
    format!("{REPLICAS} {number}\n").into()
}

/// Reads the lines, in whatever pieces they arrive.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line. One byte more than [`MAX_LINE`] is kept of a line that is too long.
    line: Vec<u8>,
}

impl Lines {
    /// Takes in some bytes, and returns the last number of replicas that they tell. Other lines are
    /// ignored.
    fn take(&mut self, bytes: &[u8]) -> Option<u16> {
        let mut told = None;
        for &byte in bytes {
            if byte == b'\n' {
                told = read(&self.line).or(told);
                self.line.clear();
            } else if self.line.len() <= MAX_LINE {
                self.line.push(byte);
            }
        }
        told
    }
}

fn read(line: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(line).ok()?;
    let (word, number) = line.split_once(' ')?;
    let number = number.parse().ok().filter(|number| *number > 0)?;
    (word == REPLICAS && line.len() <= MAX_LINE).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_that_are_too_long_or_of_a_later_version_are_ignored() {
        let endless = "x".repeat(1000);
        let padded = format!("replicas {}3", "0".repeat(MAX_LINE));
        for (text, told) in [
            ("replicas 3\n", Some(3)),
            ("replicas 3\nreplicas 2\nlater word\n", Some(2)),
            ("replicas 3", None),
            ("replicas 0\nreplicas 70000\nreplicas\nreplicas x\n\n", None),
            (&format!("{endless}\nreplicas 2\n"), Some(2)),
            (&format!("{padded}\n"), None),
        ] {
            assert_eq!(Lines::default().take(text.as_bytes()), told, "{text}");
        }
        let mut lines = Lines::default();
        lines.take(endless.as_bytes());
        assert!(lines.line.len() <= MAX_LINE + 1);
    }

    proptest! {
        #[test]
        fn a_line_in_any_pieces_reads_back(number in 1..=u16::MAX, cut in 0..12_usize) {
            let line = replicas(number);
            let (first, rest) = line.split_at(cut.min(line.len()));
            let mut lines = Lines::default();
            let told = [lines.take(first), lines.take(rest)];
            prop_assert_eq!(told.into_iter().flatten().collect::<Vec<_>>(), [number]);
        }
    }
}
