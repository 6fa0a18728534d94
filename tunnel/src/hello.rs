//! Negotiates between ends of different versions: each sends the versions and capabilities that it
//! supports, and both use what they have in common (protocol.md §3). Pure.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{Replica, control, replica, word::is_word};

const OLDEST: HeaderName = HeaderName::from_static("spokeway-oldest-version");
const NEWEST: HeaderName = HeaderName::from_static("spokeway-newest-version");
const CAPABILITIES: HeaderName = HeaderName::from_static("spokeway-capabilities");
/// All headers of a hello.
pub(crate) const HEADERS: [HeaderName; 5] =
    [OLDEST, NEWEST, CAPABILITIES, replica::ID, replica::REPLICAS];
/// A longer list of capabilities is malformed.
const MAX_CAPABILITIES: usize = 64;

/// What one end supports.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hello {
    /// The oldest version that it supports.
    pub oldest: u16,
    /// The newest version that it supports.
    pub newest: u16,
    /// What it supports beyond its versions. Each is a word of `a-z`, `0-9` and `-`.
    pub capabilities: BTreeSet<String>,
    /// Which replica of a gateway it is, if it is one and says so.
    pub replica: Option<Replica>,
}

/// What both ends support.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Agreement {
    /// The newest version that both support.
    pub version: u16,
    /// The capabilities that both have.
    pub capabilities: BTreeSet<String>,
}

/// Why two ends cannot work together.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HelloError {
    /// A header is missing or unreadable.
    #[error("the peer's hello has no readable {0}")]
    Malformed(&'static str),
    /// The ends have no version in common.
    #[error(
        "the peer speaks versions {} to {} of the tunnel protocol, this end {} to {}: upgrade the older one",
        theirs.0, theirs.1, ours.0, ours.1
    )]
    Version {
        /// The oldest and newest version of this end.
        ours: (u16, u16),
        /// The oldest and newest version of the peer.
        theirs: (u16, u16),
    },
}

impl Default for Hello {
    /// What this build supports.
    fn default() -> Self {
        Self {
            oldest: 1,
            newest: 1,
            capabilities: BTreeSet::from([control::REPLICAS.to_owned()]),
            replica: None,
        }
    }
}

impl Hello {
    /// What this end and `theirs` have in common.
    pub fn agree(&self, theirs: &Self) -> Result<Agreement, HelloError> {
        let version = self.newest.min(theirs.newest);
        if version < self.oldest.max(theirs.oldest) {
            return Err(HelloError::Version {
                ours: (self.oldest, self.newest),
                theirs: (theirs.oldest, theirs.newest),
            });
        }
        let capabilities = self
            .capabilities
            .intersection(&theirs.capabilities)
            .cloned()
            .collect();
        Ok(Agreement {
            version,
            capabilities,
        })
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(OLDEST, HeaderValue::from(self.oldest));
        headers.insert(NEWEST, HeaderValue::from(self.newest));
        let words: Vec<_> = self.capabilities.iter().map(String::as_str).collect();
        let words = HeaderValue::from_str(&words.join(",")).expect("capabilities are plain words");
        headers.insert(CAPABILITIES, words);
        if let Some(replica) = &self.replica {
            replica.write(headers);
        }
    }

    /// Reads a peer's hello. Malformed capabilities are ignored.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, HelloError> {
        let number = |name: &HeaderName, what| {
            let text = headers.get(name).and_then(|value| value.to_str().ok());
            text.and_then(|text| text.parse().ok())
                .ok_or(HelloError::Malformed(what))
        };
        let (oldest, newest) = (
            number(&OLDEST, "oldest version")?,
            number(&NEWEST, "newest version")?,
        );
        if oldest > newest {
            return Err(HelloError::Malformed("range of versions"));
        }
        let words = headers
            .get(CAPABILITIES)
            .and_then(|words| words.to_str().ok())
            .unwrap_or_default();
        let words = words.split(',').map(str::trim).filter(|word| is_word(word));
        let capabilities = words.take(MAX_CAPABILITIES).map(str::to_owned).collect();
        Ok(Self {
            oldest,
            newest,
            capabilities,
            replica: Replica::read(headers),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hello(oldest: u16, newest: u16, capabilities: &[&str]) -> Hello {
        let capabilities = capabilities.iter().map(|&word| word.to_owned()).collect();
        Hello {
            oldest,
            newest,
            capabilities,
            replica: None,
        }
    }

    #[test]
    fn old_and_new_ends_meet_at_what_both_speak() {
        let table = [
            (hello(1, 1, &[]), hello(1, 3, &["x"]), Some((1, vec![]))),
            (
                hello(1, 3, &["a", "b"]),
                hello(2, 5, &["b", "c"]),
                Some((3, vec!["b"])),
            ),
            (hello(1, 1, &[]), hello(2, 3, &[]), None),
        ];
        for (one, other, wanted) in table {
            for agreed in [one.agree(&other), other.agree(&one)] {
                let agreed = agreed
                    .ok()
                    .map(|it| (it.version, it.capabilities.into_iter().collect()));
                let wanted: Option<(u16, Vec<String>)> = wanted.clone().map(|(version, words)| {
                    (version, words.into_iter().map(str::to_owned).collect())
                });
                assert_eq!(agreed, wanted, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_malformed_hello_is_named() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            Hello::read(&headers),
            Err(HelloError::Malformed("oldest version"))
        );
        headers.insert(OLDEST, HeaderValue::from(2));
        headers.insert(NEWEST, HeaderValue::from_static("99999999"));
        assert_eq!(
            Hello::read(&headers),
            Err(HelloError::Malformed("newest version"))
        );
        headers.insert(NEWEST, HeaderValue::from(1));
        assert_eq!(
            Hello::read(&headers),
            Err(HelloError::Malformed("range of versions"))
        );
        headers.insert(NEWEST, HeaderValue::from(2));
        headers.insert(
            CAPABILITIES,
            HeaderValue::from_static("good, BAD,,also-good"),
        );
        assert_eq!(
            Hello::read(&headers),
            Ok(hello(2, 2, &["good", "also-good"]))
        );
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(
            oldest in 0_u16..9, span in 0_u16..9,
            capabilities in proptest::collection::btree_set("[a-z0-9-]{1,20}", 0..10),
        ) {
            let hello = Hello { oldest, newest: oldest + span, capabilities, replica: None };
            let mut headers = HeaderMap::new();
            hello.write(&mut headers);
            prop_assert_eq!(Hello::read(&headers), Ok(hello));
        }

        #[test]
        fn never_panics(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            let mut headers = HeaderMap::new();
            for name in [OLDEST, NEWEST, CAPABILITIES] {
                headers.insert(name, value.clone());
            }
            let _ = Hello::read(&headers);
        }
    }
}
