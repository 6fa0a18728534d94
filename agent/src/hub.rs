//! The ways to the gateway. One needs no address but the hub's and no credential but the one that the
//! agent has there anyway: a request to the hub's own API server that becomes a byte pipe. The other
//! is a port of the gateway's own, by mutual TLS.

mod api;
mod mtls;
mod prompt;

use std::{fs, future::pending, path::PathBuf, time::Duration};

use runtime::http_proxy::HttpProxy;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};
use tokio_util::task::TaskTracker;

pub(crate) use self::{api::ApiError, mtls::MtlsError};

/// How often our certificate is looked at, which is replaced long before it ends.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How to attach to the gateway.
#[derive(Clone, Debug)]
pub(crate) enum Hub {
    /// Through the hub's API server.
    Api {
        kubeconfig: PathBuf,
        cluster: String,
    },
    /// At the gateway's tunnel port.
    Mtls(Mtls),
}

/// The gateway's tunnel port, and who we are there.
#[derive(Clone, Debug)]
pub struct Mtls {
    /// Host of the tunnel port, which its certificate has to name.
    pub host: String,
    /// The tunnel port.
    pub port: u16,
    /// Authority of the gateway's certificate, PEM.
    pub authority: PathBuf,
    /// Our certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub private_key: PathBuf,
    /// The proxy to go through.
    pub proxy: Option<HttpProxy>,
}

/// A byte stream to the gateway.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// No tunnel connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Mtls(#[from] MtlsError),
}

impl Hub {
    /// Attaches once. Credentials are read anew, so that rotated ones count from the next connection
    /// on and leave those that are open alone.
    pub(crate) async fn attach(&self, tasks: &TaskTracker) -> Result<Box<dyn Stream>, AttachError> {
        Ok(match self {
            Self::Api {
                kubeconfig,
                cluster,
            } => Box::new(api::attach(kubeconfig, cluster).await?),
            Self::Mtls(mtls) => mtls.attach(tasks).await?,
        })
    }

    /// Waits until there is another certificate than the one that is shown by who attaches now. The gateway
    /// would cut a tunnel whose certificate has ended.
    pub(crate) fn renewed(&self) -> impl Future<Output = ()> + Send + use<> {
        let certificate = match self {
            Self::Api { .. } => None,
            Self::Mtls(mtls) => Some(mtls.certificate.clone()),
        };
        let shown = certificate.as_ref().and_then(|path| fs::read(path).ok());
        async move {
            let Some(path) = certificate else {
                return pending().await;
            };
            loop {
                sleep(LOOK_EVERY).await;
                // One that is gone for the moment is not another one.
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
            proxy: None,
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
