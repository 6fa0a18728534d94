//! The URL of a managed cluster's API server.

use http::{Uri, uri::Authority};

use crate::route::check_tail;

/// Splits `https://host[:port][/base/path]`. The base path has no slash at its end.
pub(super) fn parse_endpoint(url: &str) -> Result<(Authority, String), String> {
    let uri: Uri = url
        .parse()
        .map_err(|fault| format!("it is not a URL: {fault}"))?;
    match uri.scheme_str() {
        Some("https") => {}
        Some(other) => {
            return Err(format!(
                "its scheme is {other}, but only https can be verified end to end"
            ));
        }
        None => return Err("it has no scheme; write https://HOST:PORT".to_owned()),
    }
    if uri.query().is_some() {
        return Err("it has a query".to_owned());
    }
    let authority = uri.authority().ok_or("it names no host")?.clone();
    if authority.as_str().contains('@') {
        return Err("it has user information; put the credential into its own keys".to_owned());
    }
    let base_path = uri.path().trim_end_matches('/').to_owned();
    check_tail(&base_path).map_err(|fault| fault.to_string())?;
    Ok((authority, base_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_endpoints() {
        let table = [
            ("https://10.0.0.1:6443", ("10.0.0.1:6443", "")),
            ("https://10.0.0.1:6443/", ("10.0.0.1:6443", "")),
            ("https://[::1]:6443", ("[::1]:6443", "")),
            (
                "https://rancher/k8s/clusters/c-1/",
                ("rancher", "/k8s/clusters/c-1"),
            ),
        ];
        for (url, (authority, base)) in table {
            let (a, b) = parse_endpoint(url).unwrap();
            assert_eq!((a.as_str(), b.as_str()), (authority, base), "{url}");
        }
        for url in [
            "10.0.0.1:6443",
            "http://a",
            "https://",
            "https://a?b",
            "https://u:p@a",
            "https://a/../b",
            "::",
        ] {
            parse_endpoint(url).unwrap_err();
        }
    }
}
