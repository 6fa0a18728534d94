//! Attaches at the gateway's tunnel port with mutual TLS.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use runtime::{
    proxy::{ProxyError, ProxyFault},
    read_ahead::ReadAhead,
    tcp::keep_alive,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem, pem::PemObject},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::{Mtls, Stream};

/// The deadline for TCP, the proxy and TLS together.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why the tunnel port did not open a stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MtlsError {
    #[error("cannot read {}: {source}", path.display())]
    Pem { path: PathBuf, source: pem::Error },
    #[error("cannot use the certificate, key or CA: {0}")]
    Config(#[from] rustls::Error),
    #[error("{0:?} is not a host name that a certificate can be verified for")]
    ServerName(String),
    #[error("cannot connect to the gateway at {address}: {source}")]
    Tcp { address: String, source: io::Error },
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error(transparent)]
    ProxyFault(#[from] ProxyFault),
    #[error("TLS handshake with the gateway at {address} failed: {source}")]
    Tls { address: String, source: io::Error },
    #[error("cannot connect to the gateway within {} s", DEADLINE.as_secs())]
    Deadline,
}

impl Mtls {
    pub(super) async fn attach(&self) -> Result<Box<dyn Stream>, MtlsError> {
        let config = self.config()?;
        let connected = timeout(DEADLINE, self.connect(config)).await;
        connected.unwrap_or(Err(MtlsError::Deadline))
    }

    async fn connect(&self, config: ClientConfig) -> Result<Box<dyn Stream>, MtlsError> {
        let address = format!("{}:{}", self.host, self.port);
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| MtlsError::ServerName(self.host.clone()))?;
        let proxy = self.proxies.to(true, &self.host, self.port)?;
        let stream: Box<dyn Stream> = if let Some(proxy) = proxy {
            Box::new(proxy.connect(&self.host, self.port).await?)
        } else {
            let connected = TcpStream::connect((self.host.as_str(), self.port)).await;
            let stream = connected.map_err(|source| MtlsError::Tcp {
                address: address.clone(),
                source,
            })?;
            keep_alive(&stream);
            Box::new(stream)
        };
        let connector = TlsConnector::from(Arc::new(config));
        let connected = connector.connect(name, ReadAhead::new(stream)).await;
        Ok(Box::new(
            connected.map_err(|source| MtlsError::Tls { address, source })?,
        ))
    }

    fn config(&self) -> Result<ClientConfig, MtlsError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates(&self.authority)? {
            roots.add(authority)?;
        }
        let key =
            PrivateKeyDer::from_pem_file(&self.private_key).map_err(|source| MtlsError::Pem {
                path: self.private_key.clone(),
                source,
            })?;
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_client_auth_cert(certificates(&self.certificate)?, key)?;
        config.alpn_protocols = vec![tunnel::PROTOCOL.as_bytes().to_vec()];
        Ok(config)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, MtlsError> {
    let bad = |source| MtlsError::Pem {
        path: path.to_owned(),
        source,
    };
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(bad)
}
