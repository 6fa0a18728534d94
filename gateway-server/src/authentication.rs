//! Who the caller is. The hub's API server has authenticated it and says so in request headers,
//! which count only on a connection that shows the hub's front-proxy certificate.

mod client_certificate;
mod error;
mod front_proxy;
mod user;

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwapOption;
use http::HeaderMap;
use k8s_openapi::api::core::v1::ConfigMap;
use runtime::listener::Visitor;
use rustls::pki_types::{CertificateDer, UnixTime};

pub(crate) use self::{
    client_certificate::AskForCertificate,
    front_proxy::{FrontProxyError, fuzz},
    user::User,
};
use self::{error::AuthenticationError, front_proxy::FrontProxy};

/// Recognises callers.
#[derive(Debug, Default)]
pub(crate) struct Authenticator {
    front_proxy: ArcSwapOption<FrontProxy>,
}

/// The certificates that a connection presented, with the last verdict on them.
#[derive(Debug)]
pub(crate) struct Peer {
    /// The connection as its listener knows it.
    visitor: Arc<Visitor>,
    certificates: Vec<CertificateDer<'static>>,
    accepted: ArcSwapOption<Accepted>,
}

/// A good certificate.
#[derive(Debug)]
struct Accepted {
    /// The configuration by which it was found good.
    by: Arc<FrontProxy>,
    until: UnixTime,
}

impl Peer {
    pub(crate) fn new(certificates: Option<&[CertificateDer<'_>]>, visitor: Arc<Visitor>) -> Self {
        let owned = |certificate: &CertificateDer<'_>| certificate.clone().into_owned();
        let certificates = certificates.unwrap_or_default().iter().map(owned).collect();
        Self {
            visitor,
            certificates,
            accepted: ArcSwapOption::empty(),
        }
    }

    /// Where the connection comes from.
    pub(crate) fn address(&self) -> IpAddr {
        self.visitor.address()
    }
}

impl Authenticator {
    /// The caller of a request; `now` decides whether the peer's certificate is still valid. A
    /// connection on which somebody was refused is closed: a stranger has no more business here,
    /// and the hub shows its next certificate on a new one.
    pub(crate) fn authenticate(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        now: UnixTime,
    ) -> Result<User, AuthenticationError> {
        let authenticated = self.recognise(peer, headers, now);
        if authenticated
            .as_ref()
            .is_err_and(AuthenticationError::is_final)
        {
            peer.visitor.dismiss();
        }
        authenticated
    }

    fn recognise(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        now: UnixTime,
    ) -> Result<User, AuthenticationError> {
        let front_proxy = self.front_proxy.load();
        let front_proxy = front_proxy.as_ref().ok_or(AuthenticationError::NotReady)?;
        let accepted = peer.accepted.load();
        let still_good = accepted.as_deref().is_some_and(|accepted| {
            Arc::ptr_eq(&accepted.by, front_proxy) && now.as_secs() < accepted.until.as_secs()
        });
        if !still_good {
            let until = front_proxy.verify(&peer.certificates, now)?;
            let by = Arc::clone(front_proxy);
            peer.accepted.store(Some(Arc::new(Accepted { by, until })));
            peer.visitor.identify();
        }
        front_proxy.user(headers)
    }

    /// From now on, uses the front-proxy configuration that the hub publishes, if it is usable.
    pub(crate) fn trust(&self, published: &ConfigMap) -> Result<(), FrontProxyError> {
        let front_proxy = FrontProxy::read(published)?;
        self.front_proxy.store(Some(Arc::new(front_proxy)));
        Ok(())
    }

    /// Removes the headers that name the caller: they are for the gateway alone.
    pub(crate) fn forget_caller(&self, headers: &mut HeaderMap) {
        if let Some(front_proxy) = self.front_proxy.load().as_ref() {
            front_proxy.forget_user(headers);
        }
    }
}
