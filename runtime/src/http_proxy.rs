//! A TCP stream through an HTTP proxy with CONNECT, and the keepalive of all long-lived TCP
//! streams.

use std::{io, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{HOST, PROXY_AUTHORIZATION},
    uri::Authority,
};
use http_body_util::Empty;
use hyper::{client::conn::http1, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

/// After this silence, the peer is probed.
const IDLE: Duration = Duration::from_secs(20);
/// The time between two probes. Three of them may be lost.
const INTERVAL: Duration = Duration::from_secs(8);
const PROBES: u32 = 3;

/// An HTTP proxy as a `proxy-url` or `HTTPS_PROXY` names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpProxy {
    authority: Authority,
    /// The credential from the URL's user information.
    authorization: Option<HeaderValue>,
}

/// Why a proxy's URL cannot be used. The error does not contain the URL, because that may hold a
/// password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProxyUrlError {
    /// It does not parse.
    #[error("it is no URL")]
    Malformed,
    /// Its scheme is not http.
    #[error("only proxies at http:// URLs are supported")]
    Scheme,
    /// It has no host.
    #[error("it names no host")]
    Host,
}

/// Why the proxy did not open a stream.
#[derive(Debug, thiserror::Error)]
pub enum HttpProxyError {
    /// The proxy cannot be connected to.
    #[error("cannot connect to proxy {proxy}: {source}")]
    Tcp {
        /// Its host and port.
        proxy: Authority,
        /// The cause.
        source: io::Error,
    },
    /// The proxy does not speak HTTP, or closed the connection.
    #[error("proxy {proxy} broke off: {source}")]
    Broken {
        /// Its host and port.
        proxy: Authority,
        /// The cause.
        source: hyper::Error,
    },
    /// The proxy answered with a status other than 200.
    #[error("proxy {proxy} refused to connect: it answered {status}")]
    Refused {
        /// Its host and port.
        proxy: Authority,
        /// Its answer.
        status: StatusCode,
    },
}

impl HttpProxy {
    /// Reads `http://[user:password@]host[:port]`.
    pub fn parse(url: &str) -> Result<Self, ProxyUrlError> {
        let uri: Uri = url.parse().map_err(|_| ProxyUrlError::Malformed)?;
        if uri.scheme_str() != Some("http") {
            return Err(ProxyUrlError::Scheme);
        }
        let authority = uri.authority().ok_or(ProxyUrlError::Host)?;
        let (user, host) = match authority.as_str().rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority.as_str()),
        };
        let authority = host.parse().map_err(|_| ProxyUrlError::Host)?;
        Ok(Self {
            authority,
            authorization: user.map(basic),
        })
    }

    /// Opens a stream to `host:port`. The caller sets the deadline. `tasks` tracks the task that
    /// moves the bytes.
    pub async fn connect(
        &self,
        host: &str,
        port: u16,
        tasks: &TaskTracker,
    ) -> Result<TokioIo<Upgraded>, HttpProxyError> {
        let broken = |source| HttpProxyError::Broken {
            proxy: self.authority.clone(),
            source,
        };
        let stream = self.tcp().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        tasks.spawn(connection.with_upgrades());
        let response = sender
            .send_request(self.request(host, port))
            .await
            .map_err(broken)?;
        if response.status() != StatusCode::OK {
            let (proxy, status) = (self.authority.clone(), response.status());
            return Err(HttpProxyError::Refused { proxy, status });
        }
        Ok(TokioIo::new(
            hyper::upgrade::on(response).await.map_err(broken)?,
        ))
    }

    async fn tcp(&self) -> Result<TcpStream, HttpProxyError> {
        let host = self
            .authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let port = self.authority.port_u16().unwrap_or(80);
        let stream = TcpStream::connect((host, port)).await;
        let stream = stream.map_err(|source| HttpProxyError::Tcp {
            proxy: self.authority.clone(),
            source,
        })?;
        keep_alive(&stream);
        Ok(stream)
    }

    fn request(&self, host: &str, port: u16) -> Request<Empty<Bytes>> {
        let bracketed = host.contains(':');
        let target = if bracketed {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = target
            .parse()
            .expect("a host that was dialled is an authority");
        let name = HeaderValue::from_str(&target).expect("an authority is a header value");
        request.headers_mut().insert(HOST, name);
        if let Some(authorization) = &self.authorization {
            request
                .headers_mut()
                .insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        request
    }
}

/// Detects a silent peer within 45 s, and sends small writes at once. This is for streams whose
/// protocol has no pings.
pub fn keep_alive(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(IDLE)
        .with_interval(INTERVAL)
        .with_retries(PROBES);
    // Neither call can fail on an open TCP socket, and neither is worth losing the connection.
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
    let _ = stream.set_nodelay(true);
}

fn basic(user: &str) -> HeaderValue {
    let decoded: Vec<u8> = percent_decode_str(user).collect();
    let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(decoded)))
        .expect("base64 is a header value");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn reads_urls_and_repeats_no_password() {
        let proxy = HttpProxy::parse("http://user:p%40ss@proxy:3128").unwrap();
        assert_eq!(proxy.authority.as_str(), "proxy:3128");
        assert_eq!(proxy.authorization.as_ref().unwrap(), "Basic dXNlcjpwQHNz");
        assert!(!format!("{proxy:?}").contains("dXNlcjpwQHNz"));
        assert_eq!(
            HttpProxy::parse("http://proxy").unwrap().authorization,
            None
        );
        for url in [
            "socks5://u:hunter2@p",
            "https://u:hunter2@p",
            "hunter2",
            "http://u:hunter2@",
        ] {
            assert!(
                !HttpProxy::parse(url)
                    .unwrap_err()
                    .to_string()
                    .contains("hunter2")
            );
        }
    }

    #[tokio::test]
    async fn asks_the_proxy_and_then_gets_out_of_the_way() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://u:p@{}", listener.local_addr().unwrap());
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 1024];
            let length = stream.read(&mut head).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\nhello")
                .await
                .unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        };
        let (proxy, tasks) = (HttpProxy::parse(&url).unwrap(), TaskTracker::new());
        let (head, stream) = tokio::join!(served, proxy.connect("2001:db8::1", 443, &tasks));
        assert!(
            head.starts_with("CONNECT [2001:db8::1]:443 HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.contains("proxy-authorization: Basic dTpw\r\n"),
            "{head}"
        );
        let mut said = String::new();
        stream.unwrap().read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "hello");
    }

    #[tokio::test]
    async fn a_refusal_names_the_proxy_and_its_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream
                .write_all(b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        };
        let (proxy, tasks) = (HttpProxy::parse(&url).unwrap(), TaskTracker::new());
        let ((), refused) = tokio::join!(served, proxy.connect("spoke", 443, &tasks));
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("127.0.0.1") && said.contains("407"), "{said}");
    }
}
