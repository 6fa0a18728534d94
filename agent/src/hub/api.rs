//! Attaches through the hub's API server: a request to `clustergateways/NAME/attach` that is
//! upgraded.

use std::{path::Path, time::Duration};

use http::{
    Request, StatusCode,
    header::{CONNECTION, UPGRADE},
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kube::{Client, client::Body};
use kubernetes::source::{Source, SourceError};
use runtime::causes::chain;
use tokio::time::timeout;

/// The deadline for TCP, TLS, and the answers of the hub and the gateway.
const DEADLINE: Duration = Duration::from_secs(30);
/// A refusal is a short Status. More of it is not worth a log line.
const LONGEST_MESSAGE: usize = 1024;

/// Why the hub's API server did not open the stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("hub's API server: {0}")]
    Source(#[from] SourceError),
    #[error("hub's API server: {}", chain(.0))]
    Hub(#[from] kube::Error),
    #[error("hub's API server: it did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
    #[error("the hub refused with {status}: {message}")]
    Refused { status: StatusCode, message: String },
    #[error("the connection to the hub broke during the upgrade: {0}")]
    Upgrade(#[from] hyper::Error),
}

/// Attaches as `cluster` with the credential of the kubeconfig.
pub(super) async fn attach(
    kubeconfig: &Path,
    cluster: &str,
) -> Result<TokioIo<Upgraded>, ApiError> {
    let client = client(kubeconfig).await?;
    timeout(DEADLINE, upgrade(client, cluster))
        .await
        .unwrap_or(Err(ApiError::Deadline))
}

async fn client(path: &Path) -> Result<Client, ApiError> {
    let mut access = Source::Kubeconfig(path.to_owned()).access().await?;
    access.config.default_retry = false;
    // A tunnel may be silent for any time. Its own pings detect a broken connection.
    access.config.read_timeout = None;
    access.config.write_timeout = None;
    Ok(access.client()?)
}

async fn upgrade(client: Client, cluster: &str) -> Result<TokioIo<Upgraded>, ApiError> {
    let path = format!("/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{cluster}/attach");
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
        let begin = &body[..body.len().min(LONGEST_MESSAGE)];
        let message = String::from_utf8_lossy(begin).trim().to_owned();
        return Err(ApiError::Refused { status, message });
    }
    Ok(TokioIo::new(hyper::upgrade::on(response).await?))
}
