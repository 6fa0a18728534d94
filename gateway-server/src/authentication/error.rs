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
    /// A caller who comes directly shows no credential of the hub.
    #[error(
        "the caller is not known to the hub: {0}, and it shows no bearer token that the hub accepts; use the \
         credentials of a kubeconfig of the hub"
    )]
    Stranger(PeerError),
    /// The hub did not say whether it accepts the token.
    #[error("cannot ask the hub whether it accepts the bearer token: {0}")]
    HubSilent(String),
    /// Only the hub's API server decides who may act as somebody else.
    #[error(
        "the request asks to act as somebody else (--as), which only the hub's API server allows; send it to the hub"
    )]
    Impersonation,
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
    #[error("its client certificate was not issued by the hub's client CA: {0}")]
    Foreign(String),
    #[error("its client certificate has no common name")]
    Nameless,
    #[error("the hub publishes no client CA")]
    NoClientAuthority,
}

impl AuthenticationError {
    /// Whether the same request would be refused again.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::NotReady | Self::HubSilent(_) | Self::Impersonation => false,
            Self::Peer(_) | Self::NoUser(_) | Self::Stranger(_) => true,
        }
    }
}

impl From<AuthenticationError> for Refusal {
    fn from(error: AuthenticationError) -> Self {
        let message = error.to_string();
        match error {
            AuthenticationError::NotReady | AuthenticationError::HubSilent(_) => {
                let code = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(code, "ServiceUnavailable", message).retry_after(1)
            }
            AuthenticationError::Impersonation => {
                Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
            }
            AuthenticationError::Peer(_)
            | AuthenticationError::NoUser(_)
            | AuthenticationError::Stranger(_) => {
                Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
            }
        }
    }
}
