//! CONNECT to an HTTP proxy (RFC 9110 §9.3.6).

use std::pin::pin;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, StatusCode,
    header::{HOST, PROXY_AUTHORIZATION},
};
use http_body_util::Empty;
use hyper::{client::conn::http1, upgrade};
use hyper_util::rt::TokioIo;
use tokio::select;

use super::{Proxy, ProxyError, ProxyStream, User, bracketed};

/// Asks for a stream to `host:port`.
pub(super) async fn connect(
    proxy: &Proxy,
    stream: ProxyStream,
    host: &str,
    port: u16,
) -> Result<ProxyStream, ProxyError> {
    let request = request(proxy, host, port)?;
    let broken = |source| ProxyError::Broken {
        proxy: proxy.to_string(),
        source,
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let mut exchange = pin!(async {
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status() != StatusCode::OK {
            return Err(ProxyError::Refused {
                proxy: proxy.to_string(),
                status: response.status(),
            });
        }
        let upgraded = upgrade::on(response).await.map_err(broken)?;
        Ok(Box::new(TokioIo::new(upgraded)) as ProxyStream)
    });
    let mut connection = pin!(connection.with_upgrades());
    // The connection is done once it has handed its stream over, or broken; the exchange knows
    // which of both.
    select! {
        biased;
        exchanged = &mut exchange => exchanged,
        _ = &mut connection => exchange.await,
    }
}

fn request(proxy: &Proxy, host: &str, port: u16) -> Result<Request<Empty<Bytes>>, ProxyError> {
    let target = format!("{}:{port}", bracketed(host));
    let unusable = || ProxyError::Target {
        proxy: proxy.to_string(),
        target: target.clone(),
    };
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = target.parse().map_err(|_| unusable())?;
    let name = HeaderValue::from_str(&target).map_err(|_| unusable())?;
    request.headers_mut().insert(HOST, name);
    if let Some(user) = &proxy.user {
        request
            .headers_mut()
            .insert(PROXY_AUTHORIZATION, user.basic());
    }
    Ok(request)
}

impl User {
    fn basic(&self) -> HeaderValue {
        let pair = [&self.name[..], b":", &self.password[..]].concat();
        let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair)))
            .expect("base64 is a header value");
        value.set_sensitive(true);
        value
    }
}
