//! The hub's front-proxy contract, as it publishes it in
//! `kube-system/extension-apiserver-authentication`: whose certificate may vouch for callers, and
//! which headers it names them in. Pure.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName};
use k8s_openapi::api::core::v1::ConfigMap;
use percent_encoding::percent_decode_str;
use rustls::pki_types::{CertificateDer, UnixTime};

use super::{
    error::{AuthenticationError, PeerError},
    issuer::Issuer,
    user::User,
};

const CLIENT_CA: &str = "requestheader-client-ca-file";
const ALLOWED_NAMES: &str = "requestheader-allowed-names";
const USERNAME_HEADERS: &str = "requestheader-username-headers";
const UID_HEADERS: &str = "requestheader-uid-headers";
const GROUP_HEADERS: &str = "requestheader-group-headers";
const EXTRA_PREFIXES: &str = "requestheader-extra-headers-prefix";

const ANONYMOUS: &str = "system:anonymous";
pub(super) const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";

/// Who may vouch for callers, and in which headers.
#[derive(Debug)]
pub(super) struct FrontProxy {
    issuer: Issuer,
    /// Common names that may vouch; empty for any.
    allowed_names: Vec<String>,
    username_headers: Vec<HeaderName>,
    uid_headers: Vec<HeaderName>,
    group_headers: Vec<HeaderName>,
    /// In lower case.
    extra_prefixes: Vec<String>,
}

/// The ConfigMap is not usable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrontProxyError {
    #[error("it has no {0}: is the hub's aggregation layer configured?")]
    Missing(&'static str),
    #[error("{key}: {fault}")]
    Malformed { key: &'static str, fault: String },
}

impl FrontProxy {
    /// Reads the ConfigMap.
    pub(super) fn read(config: &ConfigMap) -> Result<Self, FrontProxyError> {
        let value = |key| {
            config
                .data
                .as_ref()
                .and_then(|data| data.get(key))
                .map(String::as_str)
        };
        let authorities = value(CLIENT_CA).ok_or(FrontProxyError::Missing(CLIENT_CA))?;
        let headers = |key| {
            names(key, value(key))?
                .iter()
                .map(|name| {
                    name.parse()
                        .map_err(|_| malformed(key, format!("{name:?} is not a header name")))
                })
                .collect::<Result<Vec<HeaderName>, _>>()
        };
        let username_headers = headers(USERNAME_HEADERS)?;
        if username_headers.is_empty() {
            return Err(FrontProxyError::Missing(USERNAME_HEADERS));
        }
        let mut extra_prefixes = names(EXTRA_PREFIXES, value(EXTRA_PREFIXES))?;
        for prefix in &mut extra_prefixes {
            prefix.make_ascii_lowercase();
        }
        Ok(Self {
            issuer: Issuer::read(authorities).map_err(|fault| malformed(CLIENT_CA, fault))?,
            allowed_names: names(ALLOWED_NAMES, value(ALLOWED_NAMES))?,
            username_headers,
            uid_headers: headers(UID_HEADERS)?,
            group_headers: headers(GROUP_HEADERS)?,
            extra_prefixes,
        })
    }

    /// Checks a certificate chain; good until the time that it returns.
    pub(super) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<UnixTime, PeerError> {
        let subject = self.issuer.verify(chain, now)?;
        let name = subject.common_name;
        if !self.allowed_names.is_empty() && !self.allowed_names.contains(&name) {
            return Err(PeerError::Name(name));
        }
        Ok(subject.until)
    }

    /// The user that the headers name.
    pub(super) fn user(&self, headers: &HeaderMap) -> Result<User, AuthenticationError> {
        let name = first(headers, &self.username_headers).ok_or_else(|| {
            let tried: Vec<_> = self
                .username_headers
                .iter()
                .map(HeaderName::as_str)
                .collect();
            AuthenticationError::NoUser(tried.join(", "))
        })?;
        let mut groups: Vec<_> = self
            .group_headers
            .iter()
            .flat_map(|name| headers.get_all(name))
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        // As in every API server: the hub's own `system:aggregator` comes without any group.
        if name != ANONYMOUS
            && !groups
                .iter()
                .any(|it| it == AUTHENTICATED || it == UNAUTHENTICATED)
        {
            groups.push(AUTHENTICATED.to_owned());
        }
        Ok(User {
            name,
            uid: first(headers, &self.uid_headers).unwrap_or_default(),
            groups,
            extra: self.extra(headers),
        })
    }

    /// Takes away the headers that name a user, by whatever names the hub has for them.
    pub(super) fn forget_user(&self, headers: &mut HeaderMap) {
        let named = [
            &self.username_headers,
            &self.uid_headers,
            &self.group_headers,
        ];
        for name in named.into_iter().flatten() {
            headers.remove(name);
        }
        let is_extra = |name: &&HeaderName| {
            let mut prefixes = self.extra_prefixes.iter();
            prefixes.any(|it| name.as_str().starts_with(it.as_str()))
        };
        let extra: Vec<HeaderName> = headers.keys().filter(is_extra).cloned().collect();
        for name in extra {
            headers.remove(name);
        }
    }

    fn extra(&self, headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
        let mut extra = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in headers {
            let key = self
                .extra_prefixes
                .iter()
                .find_map(|it| name.as_str().strip_prefix(it.as_str()));
            if let Some(key) = key {
                let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                extra.entry(key).or_default().push(value);
            }
        }
        extra
    }
}

/// A JSON list of strings; absent means empty.
fn names(key: &'static str, value: Option<&str>) -> Result<Vec<String>, FrontProxyError> {
    let parsed = serde_json::from_str(value.unwrap_or("[]"));
    parsed.map_err(|error| malformed(key, error.to_string()))
}

fn malformed(key: &'static str, fault: String) -> FrontProxyError {
    FrontProxyError::Malformed { key, fault }
}

fn first(headers: &HeaderMap, names: &[HeaderName]) -> Option<String> {
    let mut values = names.iter().filter_map(|name| headers.get(name));
    let value = values.find(|value| !value.is_empty())?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Tests headers that name a caller. See [`crate::fuzz`].
pub(crate) fn fuzz(mut headers: HeaderMap) {
    let name = |name| vec![HeaderName::from_static(name)];
    let front_proxy = FrontProxy {
        issuer: Issuer::none(),
        allowed_names: Vec::new(),
        username_headers: name("x-remote-user"),
        uid_headers: name("x-remote-uid"),
        group_headers: name("x-remote-group"),
        extra_prefixes: vec!["x-remote-extra-".to_owned()],
    };
    if let Ok(user) = front_proxy.user(&headers) {
        assert!(!user.name.is_empty());
        // Only the hub's own word makes a caller anonymous.
        let is_known = |group: &String| group == AUTHENTICATED || group == UNAUTHENTICATED;
        assert!(user.name == ANONYMOUS || user.groups.iter().any(is_known));
    }
    front_proxy.forget_user(&mut headers);
    let is_left = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("x-remote-extra-")
            || ["x-remote-user", "x-remote-uid", "x-remote-group"].contains(&name)
    };
    assert!(!headers.keys().any(is_left), "{headers:?}");
}

#[cfg(test)]
mod tests;
