//! One place where a managed cluster can be reached, with one TLS identity: dial, TLS, and a pool
//! of connections on top. Tokens are not part of it: they are sent with each request, so a new
//! token keeps the connections.

mod connect;
mod dial;
mod pool;
mod reach;
mod request_body;
mod target;
mod tls;

use std::sync::Arc;

use hyper::client::conn::http1;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tunnel::Share;

#[cfg(test)]
pub(crate) use self::connect::PHASE_DEADLINE;
use self::{connect::Connector, pool::Pool, tls::TlsSettings};
pub(crate) use self::{
    connect::{ConnectError, Phase},
    dial::{DialError, Dialer},
    pool::{Health, Lease, MOST_CONNECTIONS, PoolError, Pooled, SendError, Sighting, Wanted},
    reach::Reach,
    request_body::{Progress, RequestBody, Upload},
    target::Target,
    tls::{ClientIdentity, Tls, TlsConfigError, Trust},
};

/// A target with its connections.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) target: Target,
    pool: Pool,
    connector: Arc<Connector>,
}

impl Upstream {
    /// Prepares the way; nothing is dialled yet. `tasks` holds the connections' drivers, and all of
    /// them end with `gone`.
    pub(crate) fn new(
        target: Target,
        tasks: TaskTracker,
        gone: CancellationToken,
    ) -> Result<Self, TlsConfigError> {
        let tls = target
            .tls
            .as_ref()
            .map(|tls| TlsSettings::new(&target.authority, tls))
            .transpose()?;
        let connector = Arc::new(Connector::new(target.dialer.clone(), tls, tasks, gone));
        Ok(Self {
            target,
            pool: Pool::new(Arc::clone(&connector)),
            connector,
        })
    }

    /// What is known of it.
    pub(crate) fn sighting(&self) -> Sighting {
        self.pool.sighting()
    }

    /// A place for one request on a pooled connection.
    pub(crate) async fn lease(&self, wanted: Wanted) -> Result<Pooled, PoolError> {
        self.pool.lease(wanted).await
    }

    /// A separate HTTP/1.1 connection for a request that wants to upgrade.
    pub(crate) async fn upgradable(
        &self,
    ) -> Result<http1::SendRequest<RequestBody>, Arc<ConnectError>> {
        let sender = self.connector.http1(Share::Unreserved).await;
        // A failure is not the pool's: pooled connections may use more of a tunnel.
        if sender.is_ok() {
            self.pool.worked();
        }
        sender.map_err(Arc::new)
    }
}
