//! Who the caller is. The hub's API server has authenticated it and says so in request headers,
//! which count only on a connection that shows the hub's front-proxy certificate.

mod client_certificate;
mod front_proxy;
mod watch;

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwapOption;
use http::{HeaderMap, StatusCode};
use rustls::pki_types::{CertificateDer, UnixTime};

use self::front_proxy::{FrontProxy, PeerError};
pub(crate) use self::{client_certificate::AskForCertificate, watch::follow};
use crate::status::Refusal;

/// A caller, as the hub authenticated it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

/// Why nobody was recognised.
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

/// Recognises callers.
#[derive(Debug, Default)]
pub(crate) struct Authenticator {
    front_proxy: ArcSwapOption<FrontProxy>,
}

/// What a connection has shown, with the last verdict on it.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    certificates: Vec<CertificateDer<'static>>,
    /// The configuration by which the certificate was found good, and until when it is.
    accepted: ArcSwapOption<(Arc<FrontProxy>, UnixTime)>,
}

impl Peer {
    pub(crate) fn new(certificates: Option<&[CertificateDer<'_>]>) -> Self {
        let owned = |certificate: &CertificateDer<'_>| certificate.clone().into_owned();
        let certificates = certificates.unwrap_or_default().iter().map(owned).collect();
        Self {
            certificates,
            accepted: ArcSwapOption::empty(),
        }
    }
}

impl Authenticator {
    /// The caller of a request; `now` decides whether the peer's certificate is still valid.
    pub(crate) fn authenticate(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        now: UnixTime,
    ) -> Result<User, AuthenticationError> {
        let front_proxy = self.front_proxy.load();
        let front_proxy = front_proxy.as_ref().ok_or(AuthenticationError::NotReady)?;
        let accepted = peer.accepted.load();
        let still_good = accepted.as_deref().is_some_and(|(by, until)| {
            Arc::ptr_eq(by, front_proxy) && now.as_secs() < until.as_secs()
        });
        if !still_good {
            let until = front_proxy.verify(&peer.certificates, now)?;
            peer.accepted
                .store(Some(Arc::new((Arc::clone(front_proxy), until))));
        }
        front_proxy.user(headers)
    }

    /// Takes away what told the caller's name: it is for the gateway alone.
    pub(crate) fn forget_caller(&self, headers: &mut HeaderMap) {
        if let Some(front_proxy) = self.front_proxy.load().as_ref() {
            front_proxy.forget_user(headers);
        }
    }

    fn set(&self, front_proxy: FrontProxy) {
        self.front_proxy.store(Some(Arc::new(front_proxy)));
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
