//! CONNECT to a SOCKS5 proxy (RFC 1928), as nobody or with a user and a password (RFC 1929). Names are
//! resolved by the proxy.
//!
//! ```text
//!  methods ──► method chosen ──┬─ none ─────────────────────────┬──► request ──► reply ──► bytes
//!                              └─ user and password ──► status ─┘
//! ```

use std::{io, net::IpAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Proxy, ProxyError, ProxyStream, User};

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
/// The version of the negotiation of RFC 1929.
const NEGOTIATION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Why a SOCKS5 proxy did not connect.
#[derive(Debug, thiserror::Error)]
pub enum Socks5Error {
    /// It closed the connection, or the connection broke.
    #[error("it broke off: {0}")]
    Io(#[from] io::Error),
    /// What it says is not SOCKS5.
    #[error("it does not speak SOCKS5")]
    Language,
    /// It wants a credential that the URL does not have.
    #[error("it accepts none of the ways to authenticate that its URL allows")]
    NoMethod,
    /// It refused the user or the password.
    #[error("it refused the user or the password of its URL")]
    Credential,
    /// It did not connect.
    #[error("it refused to connect: {}", reason(*.0))]
    Refused(u8),
    /// The user, the password or the target's name has more than 255 bytes.
    #[error("a user, a password or a host has more than 255 bytes")]
    TooLong,
}

/// Asks for a stream to `host:port`.
pub(super) async fn connect(
    proxy: &Proxy,
    mut stream: ProxyStream,
    host: &str,
    port: u16,
) -> Result<ProxyStream, ProxyError> {
    match negotiate(&mut stream, proxy.user.as_ref(), host, port).await {
        Ok(()) => Ok(stream),
        Err(source) => Err(ProxyError::Socks5 {
            proxy: proxy.to_string(),
            source,
        }),
    }
}

async fn negotiate(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    user: Option<&User>,
    host: &str,
    port: u16,
) -> Result<(), Socks5Error> {
    let methods: &[u8] = match user {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    stream.write_all(methods).await?;
    match (read(stream).await?, user) {
        ([VERSION, NO_AUTHENTICATION], _) => {}
        ([VERSION, USER_AND_PASSWORD], Some(user)) => authenticate(stream, user).await?,
        ([VERSION, _], _) => return Err(Socks5Error::NoMethod),
        _ => return Err(Socks5Error::Language),
    }
    stream.write_all(&request(host, port)?).await?;
    let [VERSION, reply, _, kind] = read(stream).await? else {
        return Err(Socks5Error::Language);
    };
    if reply != 0 {
        return Err(Socks5Error::Refused(reply));
    }
    // The address from which the proxy connects, which nobody needs.
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await?),
        _ => return Err(Socks5Error::Language),
    };
    stream.read_exact(&mut vec![0; length + 2]).await?;
    Ok(())
}

async fn authenticate(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    user: &User,
) -> Result<(), Socks5Error> {
    let mut message = vec![NEGOTIATION];
    put(&mut message, &user.name)?;
    put(&mut message, &user.password)?;
    stream.write_all(&message).await?;
    match read(stream).await? {
        [_, 0] => Ok(()),
        _ => Err(Socks5Error::Credential),
    }
}

fn request(host: &str, port: u16) -> Result<Vec<u8>, Socks5Error> {
    let mut message = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            message.push(IPV4);
            message.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(IPV6);
            message.extend(address.octets());
        }
        Err(_) => {
            message.push(NAME);
            put(&mut message, host.as_bytes())?;
        }
    }
    message.extend(port.to_be_bytes());
    Ok(message)
}

fn put(message: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Socks5Error> {
    message.push(u8::try_from(bytes.len()).map_err(|_| Socks5Error::TooLong)?);
    message.extend(bytes);
    Ok(())
}

async fn read<const N: usize>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn reason(reply: u8) -> &'static str {
    match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "the time to live is over",
        7 => "it cannot connect",
        8 => "it does not know this kind of address",
        _ => "for a reason that it does not name",
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// What the client says in all, and how it ends, if the proxy says this.
    async fn said(
        proxy: &[u8],
        user: Option<(&str, &str)>,
        host: &str,
    ) -> (Vec<u8>, Result<(), Socks5Error>) {
        let user = user.map(|(name, password)| User {
            name: name.into(),
            password: password.into(),
        });
        let (mut client, mut server) = duplex(1024);
        server.write_all(proxy).await.unwrap();
        server.shutdown().await.unwrap();
        let ended = negotiate(&mut client, user.as_ref(), host, 443).await;
        drop(client);
        let mut said = Vec::new();
        server.read_to_end(&mut said).await.unwrap();
        (said, ended)
    }

    #[tokio::test]
    async fn asks_by_name_and_leaves_the_targets_bytes() {
        let answers = b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x01\xbb";
        let (bytes, ended) = said(answers, None, "hub").await;
        ended.unwrap();
        assert_eq!(bytes, b"\x05\x01\x00\x05\x01\x00\x03\x03hub\x01\xbb");
        let (bytes, ended) = said(answers, None, "10.0.0.1").await;
        ended.unwrap();
        assert!(
            bytes.ends_with(b"\x01\x0a\x00\x00\x01\x01\xbb"),
            "{bytes:?}"
        );
        let (bytes, ended) = said(answers, None, "::1").await;
        ended.unwrap();
        assert_eq!((bytes[6], bytes.len()), (4, 3 + 4 + 16 + 2));
    }

    #[tokio::test]
    async fn shows_its_credential_if_it_is_asked_to() {
        let answers = b"\x05\x02\x01\x00\x05\x00\x00\x03\x01p\x00\x50";
        let (bytes, ended) = said(answers, Some(("u", "pw")), "hub").await;
        ended.unwrap();
        assert!(
            bytes.starts_with(b"\x05\x02\x00\x02\x01\x01u\x02pw\x05\x01"),
            "{bytes:?}"
        );
    }

    #[tokio::test]
    async fn says_why_there_is_no_stream() {
        let user = Some(("u", "pw"));
        for (answers, user, words) in [
            (&b"\x05\xff"[..], None, "none of the ways"),
            (b"\x05\x02", None, "none of the ways"),
            (b"\x05\x02\x01\x01", user, "user or the password"),
            (
                b"\x05\x00\x05\x02\x00\x01",
                None,
                "not allowed by its rules",
            ),
            (b"\x05\x00\x05\x05\x00\x01", None, "connection refused"),
            (b"HTTP/1.1 400 Bad Request", None, "does not speak SOCKS5"),
            (b"\x05", None, "broke off"),
        ] {
            let error = said(answers, user, "hub").await.1.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let long = "a".repeat(256);
        let error = said(b"\x05\x00", None, &long).await.1.unwrap_err();
        assert!(matches!(error, Socks5Error::TooLong), "{error}");
    }
}
