//! What the hub publishes in `kube-system/extension-apiserver-authentication`: the front-proxy contract,
//! and whose client certificates name a user of the hub. Pure.

use k8s_openapi::api::core::v1::ConfigMap;
use rustls::pki_types::{CertificateDer, UnixTime};

use super::{
    error::PeerError,
    front_proxy::{AUTHENTICATED, FrontProxy, FrontProxyError},
    issuer::Issuer,
    user::User,
};

const CLIENT_CA: &str = "client-ca-file";

/// Who may vouch for callers.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) front_proxy: FrontProxy,
    /// The hub's client CA, if it has one.
    clients: Option<Issuer>,
}

impl Trusted {
    /// Reads the ConfigMap.
    pub(super) fn read(published: &ConfigMap) -> Result<Self, FrontProxyError> {
        let data = published.data.as_ref();
        let clients = data.and_then(|data| data.get(CLIENT_CA));
        let read = |pem: &String| {
            Issuer::read(pem).map_err(|fault| FrontProxyError::Malformed {
                key: CLIENT_CA,
                fault,
            })
        };
        Ok(Self {
            front_proxy: FrontProxy::read(published)?,
            clients: clients.map(read).transpose()?,
        })
    }

    /// The user of the hub that a client certificate names, as its API servers read it, and how long it
    /// is one.
    pub(super) fn client(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(User, UnixTime), PeerError> {
        let clients = self.clients.as_ref().ok_or(PeerError::NoClientAuthority)?;
        let subject = clients.verify(chain, now).map_err(|error| match error {
            PeerError::Untrusted(why) => PeerError::Foreign(why),
            error => error,
        })?;
        if subject.common_name.is_empty() {
            return Err(PeerError::Nameless);
        }
        let mut groups = subject.organizations;
        groups.push(AUTHENTICATED.to_owned());
        let user = User {
            name: subject.common_name,
            groups,
            ..User::default()
        };
        Ok((user, subject.until))
    }
}
