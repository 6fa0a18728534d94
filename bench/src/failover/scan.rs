//! Reads the events of a watch from its bytes, which may come as lines or in frames. Pure.

/// The key in the watched object's data.
const EVENT: &[u8] = br#""event":""#;
const VERSION: &[u8] = br#""resourceVersion":""#;
const ERROR: &[u8] = br#""type":"ERROR""#;
/// The largest size of an event of the object.
const MOST: usize = 64 << 10;

/// Bytes that are not parsed yet.
#[derive(Debug, Default)]
pub(super) struct Scan(Vec<u8>);

/// An event that a watch reported.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Said {
    /// The object's number and version.
    Event { number: u64, version: String },
    /// The watch cannot be resumed, because its version is too old.
    Error,
}

impl Scan {
    /// Takes bytes in, and returns the complete events.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Said> {
        self.0.extend_from_slice(bytes);
        let mut said = Vec::new();
        while let Some((number, end)) = value(&self.0, EVENT) {
            let event: Vec<_> = self.0.drain(..end).collect();
            let version = value(&event, VERSION).map(|(version, _)| version);
            if let (Ok(number), Some(version)) = (number.parse(), version) {
                said.push(Said::Event { number, version });
            }
        }
        if find(&self.0, ERROR).is_some() {
            self.0.clear();
            said.push(Said::Error);
        } else if self.0.len() > MOST {
            self.0.clear();
        }
        said
    }
}

/// The string after the first `key`, and the position after that string.
fn value(bytes: &[u8], key: &[u8]) -> Option<(String, usize)> {
    let begin = find(bytes, key)? + key.len();
    let length = find(&bytes[begin..], b"\"")?;
    let value = String::from_utf8_lossy(&bytes[begin..begin + length]);
    Some((value.into_owned(), begin + length))
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, version: u64) -> String {
        format!(
            r#"{{"type":"MODIFIED","object":{{"metadata":{{"resourceVersion":"{version}","managedFields":[{{"f:event":{{}}}}]}},"data":{{"event":"{number}"}}}}}}"#
        )
    }

    fn event(number: u64, version: &str) -> Said {
        Said::Event {
            number,
            version: version.to_owned(),
        }
    }

    #[test]
    fn events_are_read_wherever_their_bytes_are_split() {
        let text = format!("{}\n\x7e{}\n", line(7, 100), line(8, 101));
        for split in 0..text.len() {
            let (first, second) = text.as_bytes().split_at(split);
            let mut scan = Scan::default();
            let mut said = scan.take(first);
            said.extend(scan.take(second));
            assert_eq!(said, [event(7, "100"), event(8, "101")], "split at {split}");
        }
    }

    #[test]
    fn the_end_of_a_version_is_an_error() {
        let mut scan = Scan::default();
        let expired = br#"{"type":"ERROR","object":{"kind":"Status","code":410}}"#;
        assert_eq!(scan.take(expired), [Said::Error]);
        assert_eq!(scan.take(line(1, 2).as_bytes()), [event(1, "2")]);
    }
}
