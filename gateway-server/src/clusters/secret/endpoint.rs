//! The two URLs of a manual-mode Secret: the API server's and the proxy's.

use http::{HeaderValue, Uri, uri::Authority};
use percent_encoding::percent_decode_str;

use crate::{route::check_tail, upstream::ProxyAddress};

/// Splits `https://host[:port][/base/path]`. The base path has no slash at its end.
pub(super) fn parse_endpoint(url: &str) -> Result<(Authority, String), String> {
    let uri: Uri = url
        .parse()
        .map_err(|fault| format!("it is no URL: {fault}"))?;
    match uri.scheme_str() {
        Some("https") => {}
        Some(other) => {
            return Err(format!(
                "its scheme is {other}; only https is verified end to end"
            ));
        }
        None => return Err("it has no scheme; write https://HOST:PORT".to_owned()),
    }
    if uri.query().is_some() {
        return Err("it has a query".to_owned());
    }
    let authority = uri.authority().ok_or("it names no host")?.clone();
    if authority.as_str().contains('@') {
        return Err("it has user information; put the credential into keys of its own".to_owned());
    }
    let base_path = uri.path().trim_end_matches('/').to_owned();
    check_tail(&base_path).map_err(|fault| fault.to_string())?;
    Ok((authority, base_path))
}

/// Splits `http://[user:password@]host[:port]`.
pub(super) fn parse_proxy(url: &str) -> Result<ProxyAddress, String> {
    // The URL is not repeated: it may hold a password.
    let uri: Uri = url.parse().map_err(|_| "it is no URL".to_owned())?;
    if uri.scheme_str() != Some("http") {
        return Err("only proxies at http:// URLs are supported".to_owned());
    }
    let authority = uri.authority().ok_or("it names no host")?;
    let (user, host) = match authority.as_str().rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority.as_str()),
    };
    let authority = host.parse().map_err(|_| "it names no host".to_owned())?;
    let authorization = user.map(basic).transpose()?;
    Ok(ProxyAddress {
        authority,
        authorization,
    })
}

fn basic(user: &str) -> Result<HeaderValue, String> {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let decoded: Vec<u8> = percent_decode_str(user).collect();
    let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(decoded)))
        .map_err(|_| "its user information is unusable".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
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

    #[test]
    fn splits_proxies_and_repeats_no_password() {
        let proxy = parse_proxy("http://user:p%40ss@proxy:3128").unwrap();
        assert_eq!(proxy.authority.as_str(), "proxy:3128");
        assert_eq!(proxy.authorization.unwrap(), "Basic dXNlcjpwQHNz");
        assert_eq!(parse_proxy("http://proxy").unwrap().authorization, None);
        for url in [
            "socks5://u:hunter2@proxy",
            "https://u:hunter2@proxy",
            "hunter2",
            "http://u:hunter2@",
        ] {
            let fault = parse_proxy(url).unwrap_err();
            assert!(!fault.contains("hunter2"), "{fault}");
        }
    }
}
