//! TLS to a proxy with an `https://` URL. Its certificate is verified with the authorities that the
//! host trusts and those that came with the proxy.

use std::{io, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Proxy, ProxyError, ProxyStream};
use crate::trust;

pub(super) async fn secure(proxy: &Proxy, stream: TcpStream) -> Result<ProxyStream, ProxyError> {
    let failed = |source| ProxyError::Tls {
        proxy: proxy.to_string(),
        source,
    };
    let name = ServerName::try_from(proxy.host.clone())
        .map_err(|error| failed(io::Error::other(error)))?;
    let connector = TlsConnector::from(Arc::new(config(proxy)));
    let stream = connector.connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(stream))
}

fn config(proxy: &Proxy) -> ClientConfig {
    // The host's authorities are read each time, because they are replaced while a process runs.
    let mut trusted = trust::of_the_host();
    trusted.extend(proxy.authorities.iter().cloned());
    ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(trust::verifier(trusted))
        .with_no_client_auth()
}
