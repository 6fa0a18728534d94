//! The way to the gateway: a request to the hub's own API server that becomes a byte pipe. It needs
//! no address but the hub's, and no credential but the one the agent has there anyway.

use std::path::PathBuf;

use http::{
    Request, StatusCode,
    header::{CONNECTION, UPGRADE},
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kube::{
    Client, Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};

/// How to attach to the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Hub {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) cluster: String,
}

/// No tunnel connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    #[error("kubeconfig of the hub {}: {source}", path.display())]
    Kubeconfig {
        path: PathBuf,
        source: KubeconfigError,
    },
    #[error("hub's API server: {0}")]
    Hub(#[from] kube::Error),
    #[error("{status} from the hub: {message}")]
    Refused { status: StatusCode, message: String },
    #[error("the connection broke while it was upgraded: {0}")]
    Upgrade(#[from] hyper::Error),
}

impl Hub {
    /// Attaches once. The kubeconfig and what it names are read anew, so that rotated certificates
    /// and tokens count from the next connection on, and leave those that are open alone.
    pub(crate) async fn attach(&self) -> Result<TokioIo<Upgraded>, AttachError> {
        let bad = |source| AttachError::Kubeconfig {
            path: self.kubeconfig.clone(),
            source,
        };
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).map_err(bad)?;
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(bad)?;
        // A tunnel may be silent for as long as it likes; its own pings watch over it.
        config.read_timeout = None;
        config.write_timeout = None;
        let client = Client::try_from(config)?;
        let path = format!(
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{}/attach",
            self.cluster
        );
        let request = Request::get(path)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, tunnel::PROTOCOL)
            .body(Body::empty())
            .map_err(kube::Error::HttpError)?;
        let response = client.send(request).await?;
        let status = response.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let body = response
                .into_body()
                .collect_bytes()
                .await
                .unwrap_or_default();
            let message = String::from_utf8_lossy(&body[..body.len().min(1024)]).into_owned();
            return Err(AttachError::Refused { status, message });
        }
        Ok(TokioIo::new(hyper::upgrade::on(response).await?))
    }
}
