//! Attaches through the hub's API server: a request to `clustergateways/NAME/attach` that is
//! upgraded, to the tunnel's own protocol or, if something on the way passes nothing else, to WebSocket.
//!
//! ```text
//!  own upgrade ──┬─ 101 ──► attached
//!                ├─ a word of the hub or the gateway ──► refused
//!                └─ anything else ──► WebSocket ──┬─ 101 ──► attached; tried first from now on
//!                                                 └─ anything else ──► neither, and who answered
//! ```

mod upgrade;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kube::Client;
use kubernetes::source::{Source, SourceError};
use parking_lot::Mutex;
use tokio::time::timeout;
use tracing::{info, warn};
use tunnel::websocket::WebSocket;

use self::upgrade::{Framing, UpgradeError, upgrade};
use super::Stream;

/// The deadline for TCP, TLS, and the answers of the hub and the gateway.
const DEADLINE: Duration = Duration::from_secs(30);

/// The deadline for one of two upgrades.
const ANSWER_DEADLINE: Duration = Duration::from_secs(14);

/// The hub's API server, and how to attach there.
#[derive(Clone, Debug)]
pub(crate) struct HubApi {
    kubeconfig: PathBuf,
    cluster: String,
    /// Why only WebSocket got through the last time, if so.
    by_websocket: Arc<Mutex<Option<String>>>,
}

/// Why the hub's API server did not open the stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("hub's API server: {0}")]
    Source(#[from] SourceError),
    #[error("hub's API server: {0}")]
    Client(#[from] kube::Error),
    #[error("hub's API server: it did not answer within {} s", DEADLINE.as_secs())]
    Deadline,
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    #[error(
        "something between the agent and the gateway passes no upgrade: {own}; and by WebSocket: {websocket}"
    )]
    Neither {
        own: Box<UpgradeError>,
        websocket: Box<UpgradeError>,
    },
}

impl ApiError {
    /// Whether the gateway says that another attempt in a moment may succeed.
    pub(super) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Upgrade(UpgradeError::Refused {
                is_passing: true,
                ..
            })
        )
    }
}

impl HubApi {
    pub(crate) fn new(kubeconfig: PathBuf, cluster: String) -> Self {
        Self {
            kubeconfig,
            cluster,
            by_websocket: Arc::default(),
        }
    }

    /// Attaches with the credential of the kubeconfig.
    pub(super) async fn attach(&self) -> Result<Box<dyn Stream>, ApiError> {
        let client = client(&self.kubeconfig).await?;
        timeout(DEADLINE, self.attach_with(client))
            .await
            .unwrap_or(Err(ApiError::Deadline))
    }

    async fn attach_with(&self, client: Client) -> Result<Box<dyn Stream>, ApiError> {
        let because = self.by_websocket.lock().clone();
        let first = because.map_or(Framing::None, |because| Framing::WebSocket { because });
        let failed = match self.attach_as(client.clone(), &first).await {
            Ok(stream) => return Ok(stream),
            Err(error) if !error.may_be_of_something_between() => return Err(error.into()),
            Err(error) => error,
        };
        let second = match first {
            Framing::None => Framing::WebSocket {
                because: failed.to_string(),
            },
            Framing::WebSocket { .. } => Framing::None,
        };
        match (self.attach_as(client, &second).await, second) {
            (Ok(stream), Framing::WebSocket { because }) => {
                warn!(
                    failed = because,
                    "something between the agent and the gateway passes only WebSocket; attached by that"
                );
                *self.by_websocket.lock() = Some(because);
                Ok(stream)
            }
            (Ok(stream), Framing::None) => {
                info!("attached without WebSocket again");
                *self.by_websocket.lock() = None;
                Ok(stream)
            }
            (Err(error), second) => {
                let (own, websocket) = match second {
                    Framing::WebSocket { .. } => (failed, error),
                    Framing::None => (error, failed),
                };
                Err(ApiError::Neither {
                    own: own.into(),
                    websocket: websocket.into(),
                })
            }
        }
    }

    async fn attach_as(
        &self,
        client: Client,
        framing: &Framing,
    ) -> Result<Box<dyn Stream>, UpgradeError> {
        let upgraded = timeout(ANSWER_DEADLINE, upgrade(client, &self.cluster, framing));
        let io = upgraded.await.unwrap_or(Err(UpgradeError::Late))?;
        Ok(match framing {
            Framing::None => Box::new(io),
            Framing::WebSocket { .. } => Box::new(WebSocket::client(io, upgrade::random)),
        })
    }
}

async fn client(path: &Path) -> Result<Client, ApiError> {
    let mut access = Source::Kubeconfig(path.to_owned()).access().await?;
    access.config.default_retry = false;
    // A tunnel may be silent for any time. Its own pings detect a broken connection.
    access.config.read_timeout = None;
    access.config.write_timeout = None;
    Ok(access.client()?)
}

#[cfg(test)]
mod tests;
