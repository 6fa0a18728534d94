//! The requested lifetime of tokens, parsed.

use std::{fmt, time::Duration};

use crate::go_duration;

/// A token lifetime to request: in whole seconds, and not shorter than API servers allow.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Validity(u64);

/// Why a `validity` is not valid.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ValidityError {
    /// The text is not a duration.
    #[error("spec.rotation.validity {0:?} is not a duration; write e.g. 24h or 1h30m")]
    Malformed(String),
    /// API servers refuse to issue tokens with this lifetime.
    #[error(
        "spec.rotation.validity {0:?} is too short: API servers issue no tokens for less than 10m"
    )]
    TooShort(String),
}

impl Validity {
    /// The shortest lifetime that Kubernetes allows.
    pub const SHORTEST: Self = Self(600);

    /// Parses `spec.rotation.validity`.
    pub fn parse(text: &str) -> Result<Self, ValidityError> {
        let duration = go_duration::parse(text);
        let duration = duration.ok_or_else(|| ValidityError::Malformed(clipped(text)))?;
        let validity = Self(duration.as_secs());
        if validity < Self::SHORTEST {
            return Err(ValidityError::TooShort(clipped(text)));
        }
        Ok(validity)
    }

    /// The seconds for a `TokenRequest`.
    pub fn seconds(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl From<Validity> for Duration {
    fn from(validity: Validity) -> Self {
        Self::from_secs(validity.0)
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} s", self.0)
    }
}

/// Shortens the text so that it fits a message.
fn clipped(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_with_it() {
        assert_eq!(Validity::parse("10m").unwrap().seconds(), 600);
        assert_eq!(Validity::parse("8640h0m0s").unwrap().seconds(), 31_104_000);
        let short = Validity::parse("500s").unwrap_err().to_string();
        assert!(short.contains("500s") && short.contains("10m"), "{short}");
        let malformed = Validity::parse("banana").unwrap_err().to_string();
        assert!(malformed.contains("banana"), "{malformed}");
    }
}
