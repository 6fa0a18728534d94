//! The name of a managed cluster. Hub objects, URLs, tunnels and metrics all use this identifier. A
//! [`ClusterName`] has always been validated.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The longest DNS-1123 subdomain that Kubernetes accepts as an object's name.
const MAX_LENGTH: usize = 253;

/// Name of a managed cluster: a DNS-1123 subdomain of at most 253 characters.
///
/// Clones share the text, so that each request and stream can have the name. It borrows as `str`,
/// so that lookups in maps do not allocate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName(Arc<str>);

impl From<ClusterName> for String {
    fn from(name: ClusterName) -> Self {
        name.as_str().to_owned()
    }
}

impl ClusterName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClusterName {
    type Err = ClusterNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name.is_empty() {
            return Err(ClusterNameError::Empty);
        }
        if name.len() > MAX_LENGTH {
            return Err(ClusterNameError::TooLong(name.len()));
        }
        name.split('.').try_for_each(check_label)?;
        Ok(Self(name.into()))
    }
}

impl TryFrom<String> for ClusterName {
    type Error = ClusterNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ClusterName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ClusterName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Why a text is not the name of a cluster.
///
/// The error does not contain the text, because it comes from a URL and may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClusterNameError {
    /// There is no text.
    #[error("cluster name is empty")]
    Empty,
    /// The length in bytes is over the limit.
    #[error("cluster name has {0} characters, more than {MAX_LENGTH}")]
    TooLong(usize),
    /// A character that no DNS-1123 subdomain has.
    #[error("cluster name contains {0:?}; only lower-case letters, digits, '-' and '.' may occur")]
    Character(char),
    /// Two dots in a row, or a dot at either end.
    #[error("cluster name has an empty part before or after a '.'")]
    EmptyLabel,
    /// A part between dots that starts or ends with a hyphen.
    #[error("cluster name has a part that starts or ends with '-'")]
    Hyphen,
}

/// Checks one label between dots.
fn check_label(label: &str) -> Result<(), ClusterNameError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(character) = label.chars().find(|&c| !allowed(c)) {
        return Err(ClusterNameError::Character(character));
    }
    if label.is_empty() {
        return Err(ClusterNameError::EmptyLabel);
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(ClusterNameError::Hyphen);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeSet, HashSet};

    #[test]
    fn accepts_dns_subdomains() {
        let longest = "a".repeat(MAX_LENGTH);
        for name in ["managed1", "a", "0", "eu-west-1.prod", "a--b", &longest] {
            assert_eq!(name.parse::<ClusterName>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn refuses_anything_else_and_says_why() {
        let too_long = "a".repeat(MAX_LENGTH + 1);
        let cases = [
            ("", ClusterNameError::Empty),
            (&too_long, ClusterNameError::TooLong(254)),
            ("Managed1", ClusterNameError::Character('M')),
            ("a_b", ClusterNameError::Character('_')),
            ("a/b", ClusterNameError::Character('/')),
            ("é", ClusterNameError::Character('é')),
            ("a\0", ClusterNameError::Character('\0')),
            (".", ClusterNameError::EmptyLabel),
            ("..", ClusterNameError::EmptyLabel),
            ("a.", ClusterNameError::EmptyLabel),
            ("a..b", ClusterNameError::EmptyLabel),
            ("-a", ClusterNameError::Hyphen),
            ("a.b-", ClusterNameError::Hyphen),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<ClusterName>(), Err(expected), "{text:?}");
        }
        assert_eq!(
            ClusterNameError::Character('_').to_string(),
            "cluster name contains '_'; only lower-case letters, digits, '-' and '.' may occur"
        );
    }

    #[test]
    fn maps_are_searched_by_str() {
        let name: ClusterName = "managed1".parse().unwrap();
        assert!(HashSet::from([name.clone()]).contains("managed1"));
        assert!(BTreeSet::from([name]).contains("managed1"));
    }
}
