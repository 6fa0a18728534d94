//! A URL without credentials, so that it may be shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A URL without user information.
///
/// `http://user:password@proxy:3128` is a credential as much as a token is, so it can only be
/// taken into a served object through this type, which drops everything up to the `@`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String")]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PublicUrl {
    fn from(url: &str) -> Self {
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, url),
        };
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        // The user information ends at the last '@' of the authority, as in the WHATWG URL
        // standard, because users paste passwords without escaping them.
        let host = rest[..authority_end].rfind('@').map_or(0, |at| at + 1);
        match scheme {
            Some(scheme) => Self(format!("{scheme}://{}", &rest[host..])),
            None => Self(rest[host..].to_owned()),
        }
    }
}

impl From<String> for PublicUrl {
    fn from(url: String) -> Self {
        Self::from(url.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_information_is_dropped_and_nothing_else() {
        let cases = [
            ("https://10.0.0.1:6443", "https://10.0.0.1:6443"),
            ("https://h/base/path?a=b@c", "https://h/base/path?a=b@c"),
            ("http://user:secret@proxy:3128", "http://proxy:3128"),
            ("http://user:se@cret@proxy/p@q", "http://proxy/p@q"),
            ("socks5://token@[::1]:1080", "socks5://[::1]:1080"),
            ("user:secret@proxy:3128", "proxy:3128"),
            ("proxy:3128", "proxy:3128"),
            ("", ""),
        ];
        for (url, public) in cases {
            assert_eq!(PublicUrl::from(url).as_str(), public, "{url}");
        }
    }

    #[test]
    fn decoding_drops_it_too() {
        let url: PublicUrl = serde_json::from_str(r#""http://user:secret@proxy""#).unwrap();
        assert_eq!(serde_json::to_string(&url).unwrap(), r#""http://proxy""#);
    }
}
