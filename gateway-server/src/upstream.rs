//! The ways to managed clusters. An [`Upstream`] is one of them, to one place with one TLS identity:
//! dial, TLS, and a pool of connections on top. A [`Way`] is all places of one cluster. Tokens are
//! not part of either: they are sent with each request, so a new token keeps the connections.

mod connect;
mod dial;
mod pool;
mod request_body;
mod standing;
mod tls;
mod way;

use std::sync::Arc;

use http::uri::Authority;
use hyper::client::conn::http1;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::{
    connect::ConnectError,
    dial::{DialError, Dialer},
    pool::{Health, Lease, PoolError, Pooled, SendError},
    request_body::RequestBody,
    tls::{ClientIdentity, TlsConfigError, Trust},
    way::{Places, Way},
};
use self::{connect::Connector, pool::Pool, tls::TlsSettings};

/// Where a managed cluster's API server is, and how to be sure that it is the one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    /// Host and port, as the Host header shall name them.
    pub(crate) authority: Authority,
    /// A path that every request starts with; empty, or `/like/this`.
    pub(crate) base_path: String,
    /// How to get bytes there.
    pub(crate) dialer: Dialer,
    /// How to be sure of the other end; nothing for a service inside the managed cluster, which is
    /// reached through its tunnel and speaks plain HTTP.
    pub(crate) tls: Option<Tls>,
}

#[cfg(test)]
pub(crate) use self::connect::Phase;

/// TLS towards a target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Tls {
    /// Who may answer.
    pub(crate) trust: Trust,
    /// The client certificate to show, if that is the credential.
    pub(crate) identity: Option<ClientIdentity>,
}

/// A target with its connections.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) target: Target,
    pool: Pool,
    connector: Arc<Connector>,
}

impl Target {
    /// Whether its connections show a client certificate of the gateway's.
    pub(crate) fn has_identity(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.identity.is_some())
    }
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
            .map(|tls| TlsSettings::new(&target.authority, tls));
        let tls = tls.transpose()?;
        let connector = Arc::new(Connector::new(target.dialer.clone(), tls, tasks, gone));
        Ok(Self {
            target,
            pool: Pool::new(Arc::clone(&connector)),
            connector,
        })
    }

    /// How the last attempt to connect went.
    pub(crate) fn health(&self) -> Health {
        self.pool.health()
    }

    /// A place for one request on a pooled connection.
    pub(crate) async fn lease(&self) -> Result<Pooled, PoolError> {
        self.pool.lease().await
    }

    /// A connection of its own, HTTP/1.1, for a request that wants to upgrade.
    pub(crate) async fn upgradable(
        &self,
    ) -> Result<http1::SendRequest<RequestBody>, Arc<ConnectError>> {
        self.connector.http1().await.map_err(Arc::new)
    }
}
