//! The identity of a gateway among its replicas, and their number (protocol.md §3). With these an
//! agent can keep a connection to each of them. Pure.

use std::{fmt, str::FromStr};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::word::is_word;

pub(crate) const ID: HeaderName = HeaderName::from_static("spokeway-replica");
pub(crate) const REPLICAS: HeaderName = HeaderName::from_static("spokeway-replicas");

/// Identifies one run of a gateway's process. If the same pod restarts, it is another replica.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReplicaId(String);

/// The text is not a word of 1 to 64 bytes from `a-z`, `0-9` and `-`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a replica's id is a word of a-z, 0-9 and - with at most 64 bytes")]
pub struct ReplicaIdError;

/// A gateway among its replicas.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replica {
    /// Which replica it is.
    pub id: ReplicaId,
    /// How many replicas there are, including this one.
    pub of: u16,
}

impl FromStr for ReplicaId {
    type Err = ReplicaIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_word(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ReplicaIdError)
        }
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Replica {
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let id = HeaderValue::from_str(&self.id.0).expect("an id is a plain word");
        headers.insert(ID, id);
        headers.insert(REPLICAS, HeaderValue::from(self.of));
    }

    /// Reads the identity that a peer sends. `None` if it sends none or it is malformed.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name)?.to_str().ok();
        Some(Self {
            id: text(ID)?.parse().ok()?,
            of: text(REPLICAS)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_reads_back_and_half_of_one_is_none() {
        let replica = Replica {
            id: "0f3a".parse().unwrap(),
            of: 3,
        };
        let mut headers = HeaderMap::new();
        replica.write(&mut headers);
        assert_eq!(Replica::read(&headers), Some(replica));
        headers.remove(REPLICAS);
        assert_eq!(Replica::read(&headers), None);
        for bad in ["", "A", "a b", &"a".repeat(65)] {
            assert_eq!(bad.parse::<ReplicaId>(), Err(ReplicaIdError));
        }
    }
}
