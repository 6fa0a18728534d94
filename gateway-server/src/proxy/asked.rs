//! What a caller asks of a managed cluster, and what kind of caller follows redirects. Pure.

use http::{HeaderMap, Method, StatusCode, Uri, header::ACCEPT};

use super::target_uri::{self, TooLong};
use crate::upstream::Upstream;

/// What the caller asked for: the tail of this path, and its query.
pub(super) struct Asked {
    pub(super) uri: Uri,
    pub(super) tail_length: usize,
    pub(super) follower: Follower,
}

impl Asked {
    pub(super) fn of(&self, upstream: &Upstream) -> Result<Uri, TooLong> {
        let (_, tail) = self.split();
        target_uri::of(&upstream.target, tail, self.uri.query())
    }

    /// What is before the tail.
    pub(super) fn prefix(&self) -> &str {
        self.split().0
    }

    fn split(&self) -> (&str, &str) {
        let path = self.uri.path();
        path.split_at(path.len() - self.tail_length)
    }
}

/// Who asked, as far as it matters for a redirect.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    method: Method,
    accepts_pages: bool,
}

impl Follower {
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).into_iter();
        let mut accepted = accepted.filter_map(|value| value.to_str().ok());
        Self {
            method: method.clone(),
            accepts_pages: accepted.any(|types| types.contains("text/html")),
        }
    }

    /// Whether a link in a page is as good as the redirect: it is followed by a GET.
    pub(super) fn takes_page(&self, code: StatusCode) -> bool {
        let becomes_get = matches!(code.as_u16(), 301..=303);
        let is_get = matches!(self.method, Method::GET | Method::HEAD);
        self.accepts_pages && (is_get || becomes_get)
    }
}
