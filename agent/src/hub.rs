//! The two ways to the gateway. The first is a request to the hub's API server that is upgraded to
//! a byte stream. It needs only the hub's address and the credential that the agent has for the hub
//! anyway. The second is a port of the gateway itself, with mutual TLS.

mod api;
mod mtls;

use std::{fs, future::pending, path::PathBuf, time::Duration};

use runtime::proxy::Proxies;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};

pub(crate) use self::{
    api::{ApiError, HubApi},
    mtls::MtlsError,
};

/// How often the agent checks for a new certificate. Certificates are replaced long before they
/// expire.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How to attach to the gateway.
#[derive(Clone, Debug)]
pub(crate) enum Hub {
    /// Through the hub's API server.
    Api(HubApi),
    /// At the gateway's tunnel port.
    Mtls(Mtls),
}

/// The gateway's tunnel port, and the agent's credential for it.
#[derive(Clone, Debug)]
pub struct Mtls {
    /// The host of the tunnel port. The gateway's certificate must name it.
    pub host: String,
    /// The tunnel port.
    pub port: u16,
    /// PEM file with the CA of the gateway's certificate.
    pub authority: PathBuf,
    /// PEM file with the agent's certificate chain.
    pub certificate: PathBuf,
    /// PEM file with the key of the certificate.
    pub private_key: PathBuf,
    /// The proxies that may lead there.
    pub proxies: Proxies,
}

/// A byte stream to the gateway.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Why the agent is not attached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Mtls(#[from] MtlsError),
}

impl AttachError {
    /// Whether the gateway says that another attempt in a moment may succeed, as a replica does that
    /// shuts down.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Api(error) if error.is_passing())
    }
}

impl Hub {
    /// Attaches once. The credentials are read for each connection, so a new connection uses
    /// rotated credentials and open ones are not affected.
    pub(crate) async fn attach(&self) -> Result<Box<dyn Stream>, AttachError> {
        Ok(match self {
            Self::Api(api) => api.attach().await?,
            Self::Mtls(mtls) => mtls.attach().await?,
        })
    }

    /// Waits until the certificate file differs from the one that is used now. The gateway closes a
    /// tunnel when its certificate expires.
    pub(crate) fn renewed(&self) -> impl Future<Output = ()> + Send + use<> {
        let certificate = match self {
            Self::Api(_) => None,
            Self::Mtls(mtls) => Some(mtls.certificate.clone()),
        };
        let shown = certificate.as_ref().and_then(|path| fs::read(path).ok());
        async move {
            let Some(path) = certificate else {
                return pending().await;
            };
            loop {
                sleep(LOOK_EVERY).await;
                // A file that cannot be read at the moment is not a new certificate.
                if fs::read(&path).is_ok_and(|now| Some(now) != shown) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn another_certificate_is_noticed_and_a_missing_one_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tls.crt");
        let hub = Hub::Mtls(Mtls {
            host: "localhost".to_owned(),
            port: 443,
            authority: PathBuf::new(),
            certificate: file.clone(),
            private_key: PathBuf::new(),
            proxies: Proxies::never(),
        });
        fs::write(&file, "first").unwrap();
        let mut renewed = Box::pin(hub.renewed());
        let mut waits = async || timeout(LOOK_EVERY * 5, &mut renewed).await.is_err();
        assert!(waits().await);
        fs::remove_file(&file).unwrap();
        assert!(waits().await);
        fs::write(&file, "first").unwrap();
        assert!(waits().await);
        fs::write(&file, "second").unwrap();
        assert!(!waits().await);
    }
}
