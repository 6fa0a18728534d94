//! The way through a proxy, and the decision whether to take it. A proxy is named by a `proxy-url`
//! or by the environment (`proxy/environment.rs`), and speaks HTTP, HTTP over TLS or SOCKS5.

mod environment;
mod exemptions;
mod http_connect;
mod socks5;
mod tls;
mod url;

use std::{fmt, io, time::Duration};

use http::StatusCode;
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

pub use self::{
    environment::{Proxies, ProxyFault},
    exemptions::Exemptions,
    socks5::Socks5Error,
    url::ProxyUrlError,
};
use self::{tls::secure, url::Scheme};
use crate::tcp::keep_alive;

/// How long each step with the proxy may take. All of them together are bounded by the caller.
const STEP_DEADLINE: Duration = Duration::from_secs(8);

/// A proxy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proxy {
    scheme: Scheme,
    host: String,
    port: u16,
    user: Option<User>,
    /// Who may vouch for a proxy that is spoken to over TLS, beside those that the host trusts.
    authorities: Vec<CertificateDer<'static>>,
}

/// The credential from the URL's user information.
#[derive(Clone, Eq, PartialEq)]
struct User {
    name: Vec<u8>,
    password: Vec<u8>,
}

impl fmt::Debug for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("User")
    }
}

/// A byte stream.
pub trait ByteStream: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> ByteStream for S {}

/// A byte stream through a proxy.
pub type ProxyStream = Box<dyn ByteStream>;

/// A step on the way through a proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// TCP to the proxy.
    Tcp,
    /// The TLS handshake with the proxy.
    Tls,
    /// The request to connect, and the proxy's answer.
    Connect,
}

/// Why the proxy did not open a stream.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The proxy cannot be connected to.
    #[error("cannot connect to proxy {proxy}: {source}")]
    Tcp {
        /// The proxy.
        proxy: String,
        /// The cause.
        source: io::Error,
    },
    /// There is no TLS with the proxy.
    #[error("TLS handshake with proxy {proxy}: {source}")]
    Tls {
        /// The proxy.
        proxy: String,
        /// The cause.
        source: io::Error,
    },
    /// The proxy does not speak HTTP, or closed the connection.
    #[error("proxy {proxy} broke off: {source}")]
    Broken {
        /// The proxy.
        proxy: String,
        /// The cause.
        source: hyper::Error,
    },
    /// The proxy answered with a status other than 200.
    #[error("proxy {proxy} refused to connect: it answered {status}")]
    Refused {
        /// The proxy.
        proxy: String,
        /// Its answer.
        status: StatusCode,
    },
    /// The proxy did not connect by SOCKS5.
    #[error("proxy {proxy}: {source}")]
    Socks5 {
        /// The proxy.
        proxy: String,
        /// The cause.
        source: Socks5Error,
    },
    /// The target's name cannot be told to the proxy.
    #[error("proxy {proxy} cannot be asked for {target:?}, which is no host")]
    Target {
        /// The proxy.
        proxy: String,
        /// The target.
        target: String,
    },
    /// A step took too long.
    #[error("proxy {proxy}: {} did not finish within {} s", step.name(), STEP_DEADLINE.as_secs())]
    Deadline {
        /// The proxy.
        proxy: String,
        /// The step.
        step: Step,
    },
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Tls => "the TLS handshake",
            Self::Connect => "the request to connect",
        }
    }
}

/// The scheme, host and port, without the credential.
impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, port) = (self.scheme.name(), self.port);
        write!(formatter, "{scheme}://{}:{port}", bracketed(&self.host))
    }
}

impl Proxy {
    /// The same proxy, whose certificate these may vouch for too.
    pub fn trusting(
        mut self,
        authorities: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Self {
        if self.scheme == Scheme::Https {
            self.authorities.extend(authorities);
        }
        self
    }

    /// Opens a stream to `host:port`. Each step has a deadline; the caller may set one for all.
    pub async fn connect(&self, host: &str, port: u16) -> Result<ProxyStream, ProxyError> {
        let stream = self.within(Step::Tcp, self.tcp()).await?;
        let stream: ProxyStream = match self.scheme {
            Scheme::Https => self.within(Step::Tls, secure(self, stream)).await?,
            Scheme::Http | Scheme::Socks5 => Box::new(stream),
        };
        let asked = async {
            match self.scheme {
                Scheme::Http | Scheme::Https => {
                    http_connect::connect(self, stream, host, port).await
                }
                Scheme::Socks5 => socks5::connect(self, stream, host, port).await,
            }
        };
        self.within(Step::Connect, asked).await
    }

    async fn within<T>(
        &self,
        step: Step,
        future: impl Future<Output = Result<T, ProxyError>>,
    ) -> Result<T, ProxyError> {
        let late = |_| ProxyError::Deadline {
            proxy: self.to_string(),
            step,
        };
        timeout(STEP_DEADLINE, future).await.map_err(late)?
    }

    async fn tcp(&self) -> Result<TcpStream, ProxyError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|source| ProxyError::Tcp {
            proxy: self.to_string(),
            source,
        })?;
        keep_alive(&stream);
        Ok(stream)
    }
}

/// A host as it stands before a port.
fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
mod tests;
