//! The URL of a proxy, as people write it. Pure.

use std::str::FromStr;

use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;

use super::{Proxy, User};

/// How to speak to a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    Http,
    Https,
    Socks5,
}

/// Why a proxy's URL cannot be used. The error does not contain the URL, because that may hold a
/// password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProxyUrlError {
    /// Its scheme is not one of those that are spoken.
    #[error("its scheme is not http, https or socks5")]
    Scheme,
    /// It has no host, or one that is no name and no address.
    #[error("it names no host; write http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT")]
    Host,
    /// Its port is no port.
    #[error("its port is not a number from 1 to 65535")]
    Port,
}

impl Scheme {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 => 1080,
        }
    }
}

impl FromStr for Proxy {
    type Err = ProxyUrlError;

    /// Reads `SCHEME://[USER[:PASSWORD]@]HOST[:PORT]`, and `HOST:PORT` as of an HTTP proxy.
    fn from_str(url: &str) -> Result<Self, ProxyUrlError> {
        let url = url.trim();
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            // Names are resolved by the proxy in any case.
            "socks5" | "socks5h" => Scheme::Socks5,
            _ => return Err(ProxyUrlError::Scheme),
        };
        // A password may contain anything that was not encoded, so its end is looked for first.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, port) = split(&rest[..end])?;
        if ServerName::try_from(host).is_err() {
            return Err(ProxyUrlError::Host);
        }
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port: port.unwrap_or_else(|| scheme.default_port()),
            user: user.map(User::decoded),
            authorities: Vec::new(),
        })
    }
}

fn split(authority: &str) -> Result<(&str, Option<u16>), ProxyUrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']').ok_or(ProxyUrlError::Host)?;
            (host, port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((host, None)),
        None => Err(ProxyUrlError::Host),
        Some("") => Ok((host, None)),
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => Err(ProxyUrlError::Port),
            Ok(port) => Ok((host, Some(port))),
        },
    }
}

impl User {
    fn decoded(user: &str) -> Self {
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let decode = |text| percent_decode_str(text).collect();
        Self {
            name: decode(name),
            password: decode(password),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (url, read) in [
            ("http://proxy", "http://proxy:80"),
            ("http://proxy:3128/", "http://proxy:3128"),
            (
                "HTTPS://u:p@proxy.corp.example",
                "https://proxy.corp.example:443",
            ),
            ("socks5://proxy", "socks5://proxy:1080"),
            ("socks5h://10.0.0.1:9050", "socks5://10.0.0.1:9050"),
            ("proxy:3128", "http://proxy:3128"),
            ("proxy.corp.example", "http://proxy.corp.example:80"),
            ("u:p@proxy:3128", "http://proxy:3128"),
            (" http://[2001:db8::1]:3128\n", "http://[2001:db8::1]:3128"),
            ("http://[::1]", "http://[::1]:80"),
        ] {
            assert_eq!(url.parse::<Proxy>().unwrap().to_string(), read, "{url}");
        }
    }

    #[test]
    fn a_user_is_decoded_and_shown_nowhere() {
        let proxy: Proxy = "http://som%65one:p%40ss:w@rd@proxy:3128".parse().unwrap();
        let user = proxy.user.clone().unwrap();
        assert_eq!(
            (&*user.name, &*user.password),
            (&b"someone"[..], &b"p@ss:w@rd"[..])
        );
        let shown = format!("{proxy:?} {proxy}");
        assert!(
            !shown.contains("ss:w") && !shown.contains("someone"),
            "{shown}"
        );
    }

    #[test]
    fn says_what_is_wrong_and_repeats_no_password() {
        for (url, fault) in [
            ("ftp://u:hunter2@proxy", ProxyUrlError::Scheme),
            ("socks4://u:hunter2@proxy", ProxyUrlError::Scheme),
            ("", ProxyUrlError::Host),
            ("http://u:hunter2@", ProxyUrlError::Host),
            ("http://:3128", ProxyUrlError::Host),
            ("http://bad host:3128", ProxyUrlError::Host),
            ("http://[::1", ProxyUrlError::Host),
            ("http://[::1]x", ProxyUrlError::Host),
            ("http://u:hunter2@proxy:99999", ProxyUrlError::Port),
            ("http://proxy:port", ProxyUrlError::Port),
        ] {
            let said = url.parse::<Proxy>().unwrap_err();
            assert_eq!(said, fault, "{url}");
            assert!(!said.to_string().contains("hunter2"));
        }
    }
}
