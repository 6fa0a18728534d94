//! A client whose connection sends small writes at once. The client of kube leaves Nagle's
//! algorithm on, so each frame of the tunnel would wait up to 40 ms for the peer's delayed
//! acknowledgement.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri};
use hyper_util::{
    client::legacy::{
        self,
        connect::{Connection, HttpConnector, proxy::Tunnel},
    },
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt as _},
};
use percent_encoding::percent_decode_str;
use tower::{Service, ServiceBuilder};

/// A client for one long connection to the hub, through the proxy that the kubeconfig names.
pub(super) fn client(config: Config) -> kube::Result<Client> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    match config.proxy_url.clone() {
        None => over(connector, &config),
        Some(proxy) if proxy.scheme_str() == Some("http") => {
            let tunnel = Tunnel::new(proxy.clone(), connector);
            match authorization(&proxy) {
                Some(header) => over(tunnel.with_auth(header), &config),
                None => over(tunnel, &config),
            }
        }
        // Other proxies are rare, and kube supports them.
        Some(_) => Client::try_from(config),
    }
}

fn over<C>(connector: C, config: &Config) -> kube::Result<Client>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: std::error::Error + Send + Sync + 'static,
{
    let https = config.rustls_https_connector_with_connector(connector)?;
    let sender: legacy::Client<_, Body> =
        legacy::Client::builder(TokioExecutor::new()).build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        .service(sender);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// The user information is percent-encoded in a URL, but not in the header.
fn authorization(proxy: &Uri) -> Option<HeaderValue> {
    let (user, _) = proxy.authority()?.as_str().split_once('@')?;
    let user: Vec<u8> = percent_decode_str(user).collect();
    let mut header = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(user))).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_user_is_decoded_and_kept_out_of_logs() {
        let header = authorization(&Uri::from_static("http://user:p%40ss@proxy:3128")).unwrap();
        assert_eq!(header, format!("Basic {}", STANDARD.encode("user:p@ss")));
        assert!(header.is_sensitive());
        assert!(authorization(&Uri::from_static("http://proxy:3128")).is_none());
    }
}
