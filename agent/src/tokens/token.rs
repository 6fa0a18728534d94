//! Bearer tokens and their claims. Claims are read without a check of the signature: they are used
//! to decide when to renew and which account was meant, never whom to trust.

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;

/// A bearer token. `Debug` does not show it.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Token(Arc<str>);

/// The claims of a token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Claims {
    /// `system:serviceaccount:NAMESPACE:NAME`.
    pub(crate) subject: String,
    /// The UID of the `ServiceAccount`. The token works only while that object exists.
    pub(crate) account_uid: String,
    /// Sorted.
    pub(crate) audiences: Vec<String>,
    /// The time of issue by the managed cluster's clock.
    pub(crate) issued: Timestamp,
    /// The expiry by the managed cluster's clock. It is later than `issued`.
    pub(crate) expires: Timestamp,
}

#[derive(Deserialize)]
struct Payload {
    sub: String,
    iat: i64,
    exp: i64,
    #[serde(default)]
    aud: OneOrMany,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Kubernetes,
}

#[derive(Deserialize)]
struct Kubernetes {
    serviceaccount: Reference,
}

#[derive(Deserialize)]
struct Reference {
    uid: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Token {
    /// Reads the bytes of a Secret. `None` if they cannot be a token.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        (!text.is_empty()).then(|| Self(text.into()))
    }

    /// The token as text.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The claims. `None` if this is not an expiring token of a `ServiceAccount`.
    pub(crate) fn claims(&self) -> Option<Claims> {
        let mut parts = self.0.split('.');
        let (_, payload, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next())
        else {
            return None;
        };
        let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let payload: Payload = serde_json::from_slice(&json).ok()?;
        let mut audiences = match payload.aud {
            OneOrMany::One(audience) => vec![audience],
            OneOrMany::Many(audiences) => audiences,
        };
        audiences.sort();
        let issued = Timestamp::from_second(payload.iat).ok()?;
        let expires = Timestamp::from_second(payload.exp).ok()?;
        (issued < expires).then_some(Claims {
            subject: payload.sub,
            account_uid: payload.kubernetes.serviceaccount.uid,
            audiences,
            issued,
            expires,
        })
    }
}

impl Claims {
    /// The real lifetime: seconds from issue to expiry, at least one.
    pub(crate) fn lifetime(&self) -> i64 {
        self.expires.as_second() - self.issued.as_second()
    }
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl From<&str> for Token {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// A token with these claims and no signature.
#[cfg(test)]
pub(crate) fn forge(payload: &serde_json::Value) -> Token {
    let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
    Token::from(format!("e30.{payload}.c2ln").as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn reads_what_api_servers_issue() {
        let token = forge(&json!({
            "aud": ["b", "a"], "exp": 4600, "iat": 1000, "iss": "x", "nbf": 1000,
            "sub": "system:serviceaccount:ns:gateway",
            "kubernetes.io": {"namespace": "ns", "serviceaccount": {"name": "gateway", "uid": "u1"}},
        }));
        let claims = token.claims().unwrap();
        assert_eq!(claims.subject, "system:serviceaccount:ns:gateway");
        assert_eq!(
            (claims.account_uid.as_str(), claims.lifetime()),
            ("u1", 3600)
        );
        assert_eq!(claims.audiences, ["a", "b"]);
    }

    #[test]
    fn what_never_expires_or_is_nobodys_is_no_token() {
        let kubernetes = json!({"serviceaccount": {"uid": "u"}});
        for payload in [
            json!({"sub": "s", "iat": 1, "kubernetes.io": kubernetes}),
            json!({"sub": "s", "iat": 1, "exp": 1, "kubernetes.io": kubernetes}),
            json!({"sub": "s", "iat": 1, "exp": i64::MAX, "kubernetes.io": kubernetes}),
            json!({"sub": "s", "iat": 1, "exp": 2}),
            json!([]),
        ] {
            assert_eq!(forge(&payload).claims(), None, "{payload}");
        }
        for text in ["garbage", "a.b.c", "a.b", "..", "e30.e30.e30.e30"] {
            assert_eq!(Token::from(text).claims(), None, "{text}");
        }
    }

    #[test]
    fn never_prints() {
        assert_eq!(format!("{:?}", Token::from("secret")), "Token(..)");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Token::from_bytes(&bytes).and_then(|token| token.claims());
        }
    }
}
