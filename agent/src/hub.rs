//! The ways to the gateway. One needs no address but the hub's and no credential but the one that the
//! agent has there anyway: a request to the hub's own API server that becomes a byte pipe. The other
//! is a port of the gateway's own, by mutual TLS.

mod api;
mod client;
mod mtls;
mod prompt;

use std::path::PathBuf;

use runtime::http_proxy::HttpProxy;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::TaskTracker;

pub(crate) use self::{api::ApiError, client::HubClient, mtls::MtlsError};

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
}
