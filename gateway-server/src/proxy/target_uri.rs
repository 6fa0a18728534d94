//! The URI that a managed cluster sees: its own authority and base path, then the caller's tail and
//! query, byte for byte. Pure.

use http::{HeaderValue, Request, Uri, Version, header::HOST, uri::PathAndQuery};

use crate::upstream::Target;

/// The longest path with its query, in bytes. It is the library's, which keeps their positions in 16
/// bits.
pub(crate) const LONGEST: usize = u16::MAX as usize - 1;

/// The path and the query are too long to be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the path and the query of the request are longer than {LONGEST} bytes, which is the limit of \
     the gateway"
)]
pub(crate) struct TooLong;

/// The target URI of a tail and a query that have been checked. With the base path they may be too
/// long.
pub(crate) fn of(target: &Target, tail: &str, query: Option<&str>) -> Result<Uri, TooLong> {
    let tail = if tail.is_empty() { "/" } else { tail };
    let length = target.base_path.len() + tail.len() + query.map_or(0, |query| query.len() + 1);
    let mut path = String::with_capacity(length);
    path.push_str(&target.base_path);
    path.push_str(tail);
    if let Some(query) = query {
        path.push('?');
        path.push_str(query);
    }
    if path.len() > LONGEST {
        return Err(TooLong);
    }
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(http::uri::Scheme::HTTPS);
    parts.authority = Some(target.authority.clone());
    parts.path_and_query = Some(
        PathAndQuery::from_maybe_shared(bytes::Bytes::from(path)).expect("parsed once before"),
    );
    Ok(Uri::from_parts(parts).expect("all three parts are there"))
}

/// Prepares a request for HTTP/2, which names the host in the URI.
pub(crate) fn to_http2<B>(request: &mut Request<B>, uri: &Uri) {
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().remove(HOST);
    *request.uri_mut() = uri.clone();
}

/// Prepares a request for HTTP/1.1, which names the host in a header.
pub(crate) fn to_http1<B>(request: &mut Request<B>, uri: &Uri) {
    *request.version_mut() = Version::HTTP_11;
    let authority = uri.authority().expect("`of` sets it");
    let host = HeaderValue::from_str(authority.as_str()).expect("an authority is a header value");
    request.headers_mut().insert(HOST, host);
    *request.uri_mut() = Uri::from(uri.path_and_query().expect("`of` sets it").clone());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::upstream::{Dialer, Reach};

    fn target(base_path: &str) -> Target {
        Target {
            authority: "spoke:6443".parse().unwrap(),
            base_path: base_path.to_owned(),
            dialer: Dialer::Direct {
                host: "spoke".to_owned(),
                port: 6443,
                reach: Reach::Anywhere,
            },
            tls: None,
        }
    }

    #[test]
    fn appends_tail_and_query_to_the_base_path() {
        let table = [
            ("", "", None, "https://spoke:6443/"),
            ("", "/", None, "https://spoke:6443/"),
            (
                "",
                "/a%2Fb//c/",
                Some("x=%20&&y"),
                "https://spoke:6443/a%2Fb//c/?x=%20&&y",
            ),
            ("", "/a", Some(""), "https://spoke:6443/a?"),
            (
                "/k8s/c-1",
                "/healthz",
                None,
                "https://spoke:6443/k8s/c-1/healthz",
            ),
            ("/k8s/c-1", "", None, "https://spoke:6443/k8s/c-1/"),
        ];
        for (base, tail, query, wanted) in table {
            let uri = of(&target(base), tail, query).unwrap();
            assert_eq!(uri.to_string(), wanted);
        }
    }

    #[test]
    fn what_the_base_path_makes_too_long_is_an_error() {
        let tail = format!("/{}", "x".repeat(LONGEST - 1));
        assert_eq!(of(&target(""), &tail, None).unwrap().path().len(), LONGEST);
        assert_eq!(of(&target("/base"), &tail, None), Err(TooLong));
    }

    #[test]
    fn names_the_host_where_the_version_wants_it() {
        let uri = of(&target(""), "/healthz", Some("verbose")).unwrap();
        let mut request = Request::new(());
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("hub"));
        to_http2(&mut request, &uri);
        assert_eq!((request.uri(), request.headers().get(HOST)), (&uri, None));
        to_http1(&mut request, &uri);
        assert_eq!(request.uri(), "/healthz?verbose");
        assert_eq!(request.headers()[HOST], "spoke:6443");
    }

    proptest! {
        #[test]
        fn passes_every_byte(path in "/[!-\"$-;=@-~]{0,40}", query in proptest::option::of("[!-\"$-;=?-~]{0,40}")) {
            let sent = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
            // What is no URI at all never gets past hyper.
            let Ok(sent) = sent.parse::<Uri>() else { return Ok(()) };
            let passed = of(&target("/base"), sent.path(), sent.query()).unwrap();
            prop_assert_eq!(passed.path().strip_prefix("/base").unwrap(), sent.path());
            prop_assert_eq!(passed.query(), sent.query());
        }
    }
}
