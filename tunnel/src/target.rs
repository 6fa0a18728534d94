//! The target of a pipe: `host:port`, as the authority of a CONNECT. Pure.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use http::uri::Authority;

/// A host and port on the agent's side of the tunnel.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    authority: Authority,
    port: u16,
}

/// Why an authority is not a target.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TargetError {
    /// It is not `host:port`.
    #[error("a target is HOST:PORT")]
    Malformed,
    /// There is no port, or it is 0.
    #[error("a target needs a port from 1 to 65535")]
    Port,
    /// It has a `user@` part.
    #[error("a target has no user information")]
    UserInfo,
}

impl Target {
    /// The host: a name, an IPv4 address, or an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        unbracketed(&self.authority).unwrap_or_else(|| self.authority.host())
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl TryFrom<Authority> for Target {
    type Error = TargetError;

    fn try_from(authority: Authority) -> Result<Self, TargetError> {
        if authority.as_str().contains('@') {
            return Err(TargetError::UserInfo);
        }
        let well_formed = match unbracketed(&authority) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => is_name(authority.host()),
        };
        if !well_formed {
            return Err(TargetError::Malformed);
        }
        let port = authority
            .port_u16()
            .filter(|port| *port != 0)
            .ok_or(TargetError::Port)?;
        Ok(Self { authority, port })
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        text.parse::<Authority>()
            .map_err(|_| TargetError::Malformed)?
            .try_into()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.authority.as_str())
    }
}

/// The text between the brackets of an IPv6 address.
fn unbracketed(authority: &Authority) -> Option<&str> {
    authority.host().strip_prefix('[')?.strip_suffix(']')
}

/// A DNS name as Kubernetes allows it, or an IPv4 address. Neither needs escapes.
fn is_name(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !host.is_empty() && host.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_host_and_a_port() {
        for (text, host, port) in [
            ("kubernetes.default.svc:443", "kubernetes.default.svc", 443),
            ("10.0.0.1:6443", "10.0.0.1", 6443),
            ("[::1]:80", "::1", 80),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!((target.host(), target.port()), (host, port));
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn refuses_everything_else() {
        let table = [
            ("", TargetError::Malformed),
            ("host", TargetError::Port),
            ("host:0", TargetError::Port),
            ("host:99999", TargetError::Port),
            ("user@host:80", TargetError::UserInfo),
            ("host:80/path", TargetError::Malformed),
            (":80", TargetError::Malformed),
            ("[]:80", TargetError::Malformed),
            ("[host]:80", TargetError::Malformed),
            ("ho%00st:80", TargetError::Malformed),
        ];
        for (text, wanted) in table {
            assert_eq!(text.parse::<Target>(), Err(wanted), "{text}");
        }
    }
}
