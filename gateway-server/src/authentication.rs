//! Who the caller is. The hub's API server has authenticated it and says so in request headers,
//! which count only on a connection that shows the hub's front-proxy certificate. If direct access is
//! on, a caller may come without the hub's API server, with a credential that the hub accepts.

mod client_certificate;
mod error;
mod front_proxy;
mod issuer;
mod tokens;
mod trusted;
mod user;

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwapOption;
use http::{HeaderMap, HeaderName};
use k8s_openapi::api::core::v1::ConfigMap;
use runtime::listener::Visitor;
use rustls::pki_types::{CertificateDer, UnixTime};

pub(crate) use self::{
    client_certificate::AskForCertificate,
    front_proxy::{FrontProxyError, fuzz},
    tokens::Tokens,
    user::User,
};
use self::{
    error::{AuthenticationError, PeerError},
    tokens::bearer,
    trusted::Trusted,
};

/// What the names of all headers begin with by which a caller asks to act as somebody else.
const IMPERSONATION: &str = "impersonate-";

/// Recognises callers.
#[derive(Debug, Default)]
pub(crate) struct Authenticator {
    trusted: ArcSwapOption<Trusted>,
    /// If callers may come without the hub's API server.
    direct: Option<Tokens>,
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
    by: Arc<Trusted>,
    until: UnixTime,
    /// The user that it names. `None` if it is the front proxy's, which vouches for others.
    user: Option<User>,
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

    fn accept(&self, accepted: Accepted) -> Arc<Accepted> {
        let accepted = Arc::new(accepted);
        self.accepted.store(Some(Arc::clone(&accepted)));
        self.visitor.identify();
        accepted
    }
}

impl Accepted {
    fn caller(&self, headers: &HeaderMap) -> Result<User, AuthenticationError> {
        match &self.user {
            None => self.by.front_proxy.user(headers),
            Some(user) => {
                refuse_impersonation(headers)?;
                Ok(user.clone())
            }
        }
    }
}

impl Authenticator {
    /// One that also recognises callers who come without the hub's API server.
    pub(crate) fn with_direct_access(tokens: Tokens) -> Self {
        Self {
            direct: Some(tokens),
            ..Self::default()
        }
    }

    /// The caller of a request; `now` decides whether the peer's certificate is still valid. A
    /// connection on which somebody was refused is closed: a stranger has no more business here,
    /// and the hub shows its next certificate on a new one.
    pub(crate) async fn authenticate(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        now: UnixTime,
    ) -> Result<User, AuthenticationError> {
        let authenticated = match (self.recognise(peer, headers, now), &self.direct) {
            (Err(AuthenticationError::Stranger(fault)), Some(tokens)) => {
                by_token(tokens, peer, headers, fault).await
            }
            (authenticated, _) => authenticated,
        };
        if authenticated
            .as_ref()
            .is_err_and(AuthenticationError::is_final)
        {
            peer.visitor.dismiss();
        }
        authenticated
    }

    /// Recognises a caller by the certificates of its connection.
    fn recognise(
        &self,
        peer: &Peer,
        headers: &HeaderMap,
        now: UnixTime,
    ) -> Result<User, AuthenticationError> {
        let trusted = self.trusted.load();
        let trusted = trusted.as_ref().ok_or(AuthenticationError::NotReady)?;
        let accepted = peer.accepted.load();
        let good = accepted.as_deref().filter(|accepted| {
            Arc::ptr_eq(&accepted.by, trusted) && now.as_secs() < accepted.until.as_secs()
        });
        match good {
            Some(accepted) => accepted.caller(headers),
            None => peer
                .accept(self.verified(peer, trusted, now)?)
                .caller(headers),
        }
    }

    fn verified(
        &self,
        peer: &Peer,
        trusted: &Arc<Trusted>,
        now: UnixTime,
    ) -> Result<Accepted, AuthenticationError> {
        let by = Arc::clone(trusted);
        let of_front_proxy = trusted.front_proxy.verify(&peer.certificates, now);
        if self.direct.is_none() || of_front_proxy.is_ok() {
            let until = of_front_proxy?;
            let user = None;
            return Ok(Accepted { by, until, user });
        }
        let client = trusted.client(&peer.certificates, now);
        let (user, until) = client.map_err(AuthenticationError::Stranger)?;
        let user = Some(user);
        Ok(Accepted { by, until, user })
    }

    /// From now on, uses what the hub publishes about the authentication of callers, if it is usable.
    pub(crate) fn trust(&self, published: &ConfigMap) -> Result<(), FrontProxyError> {
        let trusted = Trusted::read(published)?;
        self.trusted.store(Some(Arc::new(trusted)));
        Ok(())
    }

    /// Removes the headers that name the caller: they are for the gateway alone.
    pub(crate) fn forget_caller(&self, headers: &mut HeaderMap) {
        if let Some(trusted) = self.trusted.load().as_ref() {
            trusted.front_proxy.forget_user(headers);
        }
    }
}

/// Recognises a caller by its token. `fault` says why its connection does not name it.
async fn by_token(
    tokens: &Tokens,
    peer: &Peer,
    headers: &HeaderMap,
    fault: PeerError,
) -> Result<User, AuthenticationError> {
    let stranger = || AuthenticationError::Stranger(fault);
    let Some(token) = bearer(headers) else {
        return Err(stranger());
    };
    let user = tokens.user(token).await?.ok_or_else(stranger)?;
    peer.visitor.identify();
    refuse_impersonation(headers)?;
    Ok(User::clone(&user))
}

/// Who asks to act as somebody else must not act as itself instead.
fn refuse_impersonation(headers: &HeaderMap) -> Result<(), AuthenticationError> {
    let asks = |name: &HeaderName| name.as_str().starts_with(IMPERSONATION);
    if headers.keys().any(asks) {
        return Err(AuthenticationError::Impersonation);
    }
    Ok(())
}
