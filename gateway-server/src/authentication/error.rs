//! Why a caller was not authenticated, and the answer that it gets.

use http::StatusCode;

use crate::status::Refusal;

/// Why a caller was not authenticated.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AuthenticationError {
    /// The hub's front-proxy configuration has not been read yet.
    #[error("the hub's front-proxy configuration is not known yet; try again in a moment")]
    NotReady,
    /// The connection is not the hub's.
    #[error(
        "the caller is not the hub's API server ({0}); send the request to the hub, which \
         authenticates you and passes it on"
    )]
    Peer(#[from] PeerError),
    /// The hub named no user.
    #[error("the front proxy named no user in any of the headers {0}")]
    NoUser(String),
}

/// The peer of a connection may not vouch for anybody.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PeerError {
    #[error("it presented no client certificate")]
    NoCertificate,
    #[error("its client certificate was not issued by the front proxy's CA: {0}")]
    Untrusted(String),
    #[error("its client certificate names {0:?}, which is not allowed to vouch for callers")]
    Name(String),
}

impl AuthenticationError {
    /// Whether the same request would be refused again.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::NotReady)
    }
}

impl From<AuthenticationError> for Refusal {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::NotReady => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                error.to_string(),
            )
            .retry_after(1),
            _ => Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", error.to_string()),
        }
    }
}
