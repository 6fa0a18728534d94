//! The static surface of the aggregated API: what `/apis`, `/openapi` and `clustergateways` answer,
//! as pure functions from a request's headers and query to an [`Answer`]. Routing, authorization
//! and the snapshot of clusters are the callers'; so are errors on the wire.

pub(crate) mod accept;
mod age;
mod cluster_gateways;
pub(crate) mod discovery;
pub(crate) mod kind;
pub(crate) mod mine;
pub(crate) mod objects;
pub(crate) mod openapi;
pub(crate) mod options;
pub(crate) mod own_health;
pub(crate) mod page;
pub(crate) mod rendering;
pub(crate) mod selector;
pub(crate) mod table;
mod virtual_clusters;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header::IF_NONE_MATCH};
use serde::Serialize;
use sha2::{Digest, Sha256};

const JSON: &str = "application/json";

/// A successful answer.
///
/// Every answer depends on `Accept`, so whoever sends it adds `Vary: Accept`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Value of `Content-Type`.
    pub(crate) content_type: &'static str,
    /// The encoded document.
    pub(crate) body: Bytes,
    /// Value of `ETag`, quotes included; present on documents that never change.
    pub(crate) etag: Option<HeaderValue>,
    /// Value of `Cache-Control`, if it is not the default.
    pub(crate) cache_control: Option<&'static str>,
}

impl Answer {
    fn json(document: &impl Serialize) -> Self {
        let body = serde_json::to_vec(document)
            .expect("our documents have string keys and no fallible encoders");
        Self {
            content_type: JSON,
            body: body.into(),
            etag: None,
            cache_control: None,
        }
    }

    /// Tags the answer with the hash of its body.
    fn tagged(mut self) -> Self {
        let quoted = format!("\"{}\"", hash(&self.body));
        self.etag = Some(HeaderValue::try_from(quoted).expect("hex in quotes is a header value"));
        self
    }

    /// Whether the client already has this document (RFC 9110 §13.1.2): answer 304, no body.
    pub(crate) fn is_known_to(&self, headers: &HeaderMap) -> bool {
        let Some(etag) = self.etag.as_ref().and_then(|etag| etag.to_str().ok()) else {
            return false;
        };
        headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
    }
}

/// SHA-256 in upper-case hex, as the API server writes its hashes.
fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02X}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_documents_are_recognised_by_their_tag() {
        let answer = Answer::json(&"x").tagged();
        let etag = answer.etag.clone().unwrap().to_str().unwrap().to_owned();
        assert_eq!(etag.len(), 66);
        let cases = [
            (etag.clone(), true),
            (format!("W/{etag}"), true),
            (format!("\"other\", {etag}"), true),
            ("*".to_owned(), true),
            ("\"other\"".to_owned(), false),
            (etag.trim_matches('"').to_owned(), false),
        ];
        for (value, known) in cases {
            let headers =
                HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::try_from(&value).unwrap())]);
            assert_eq!(answer.is_known_to(&headers), known, "{value}");
        }
        assert!(!answer.is_known_to(&HeaderMap::new()));
    }

    #[test]
    fn untagged_documents_are_never_known() {
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static("*"))]);
        assert!(!Answer::json(&"x").is_known_to(&headers));
    }
}
