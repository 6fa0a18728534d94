//! Which headers cross the gateway. Hop-by-hop headers end here (RFC 9110 §7.6.1), then every
//! header that says who the caller is; then the gateway sets its own credential and the identity
//! that the request acts as. Everything else passes unchanged. Pure functions over [`HeaderMap`].

use crds::gateway::GROUP_MEMBER;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AUTHORIZATION, CONNECTION, EXPECT, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};

use crate::acting::Acting;

const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");
const IMPERSONATE_GROUP: HeaderName = HeaderName::from_static("impersonate-group");
/// [`crds::gateway::USER_EXTRA`], escaped as keys in header names are.
const IMPERSONATE_CALLER: HeaderName =
    HeaderName::from_static("impersonate-extra-gateway.open-cluster-management.io%2fuser");

/// Headers that are refused instead of removed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum HeaderError {
    /// An impersonation header got past the hub's API server, which consumes them all: either the
    /// caller bypasses it, or it was smuggled.
    #[error(
        "{0} is not accepted here: the gateway never acts on a caller's impersonation headers; \
         use --as against the hub's own API server"
    )]
    Impersonation(HeaderName),
}

/// A protocol change that is passed through; any other `Upgrade` is ignored, as RFC 9110 allows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Upgrade(HeaderValue);

impl Upgrade {
    /// The upgrade that a request asks for, if it is one that Kubernetes speaks.
    pub(crate) fn requested(headers: &HeaderMap) -> Option<Self> {
        let asks = connection_options(headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
        let protocol = headers.get(UPGRADE).filter(|_| asks)?;
        let name = protocol.to_str().ok()?.trim();
        (name.eq_ignore_ascii_case("websocket") || name.eq_ignore_ascii_case("SPDY/3.1"))
            .then(|| Self(protocol.clone()))
    }

    /// Asks for, or agrees to, the upgrade in `headers`.
    pub(crate) fn set(self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, self.0);
    }
}

/// Prepares a caller's headers for the managed cluster.
pub(crate) fn to_spoke(headers: &mut HeaderMap) -> Result<(), HeaderError> {
    if let Some(name) = headers
        .keys()
        .find(|name| name.as_str().starts_with("impersonate-"))
    {
        return Err(HeaderError::Impersonation(name.clone()));
    }
    remove_hop_by_hop(headers);
    headers.remove(EXPECT);
    headers.remove(AUTHORIZATION);
    remove_matching(headers, |name| name.starts_with("x-remote-"));
    Ok(())
}

/// Adds the identity that the request acts as. [`to_spoke`] has removed all other identity headers.
pub(crate) fn impersonate(headers: &mut HeaderMap, acting: &Acting) {
    let groups = match acting {
        Acting::User { user, groups } => {
            headers.insert(IMPERSONATE_USER, user.clone());
            groups
        }
        Acting::Member { caller, groups } => {
            let member = HeaderValue::from_static(GROUP_MEMBER);
            headers.insert(IMPERSONATE_USER, member);
            headers.insert(IMPERSONATE_CALLER, caller.clone());
            groups
        }
        Acting::Account => return,
    };
    for group in groups {
        headers.append(IMPERSONATE_GROUP, group.clone());
    }
}

/// Prepares a managed cluster's headers for the caller.
pub(crate) fn to_caller(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = connection_options(headers)
            .filter_map(|option| option.parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in [
        CONNECTION,
        HeaderName::from_static("keep-alive"),
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        HeaderName::from_static("proxy-connection"),
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(CONNECTION)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn remove_matching(headers: &mut HeaderMap, matches: impl Fn(&str) -> bool) {
    // Removal needs the map, so the names are copied out first; there are none on most requests.
    let doomed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| matches(name.as_str()))
        .cloned()
        .collect();
    for name in doomed {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn drops_hop_by_hop_and_identity_headers_and_nothing_else() {
        let mut sent = headers(&[
            ("accept", "application/json"),
            ("accept-encoding", "gzip"),
            ("authorization", "Bearer caller"),
            ("connection", "close, X-Secret"),
            ("content-type", "application/json"),
            ("cookie", "a=b"),
            ("expect", "100-continue"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("user-agent", "kubectl"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-remote-extra-scopes", "s"),
            ("x-remote-group", "system:masters"),
            ("x-remote-user", "alice"),
            ("x-secret", "hop"),
        ]);
        to_spoke(&mut sent).unwrap();
        let mut left: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let wanted = [
            "accept",
            "accept-encoding",
            "content-type",
            "cookie",
            "user-agent",
            "x-forwarded-for",
        ];
        assert_eq!(left, wanted);
    }

    #[test]
    fn what_traces_and_audits_a_request_passes_as_it_is() {
        let traced = [
            ("audit-id", "9b8f"),
            ("baggage", "a=b"),
            (
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ),
            ("tracestate", "one=1,two=2"),
            ("tracestate", "three=3"),
        ];
        let mut sent = headers(&traced);
        to_spoke(&mut sent).unwrap();
        assert_eq!(sent, headers(&traced));
    }

    #[test]
    fn refuses_impersonation_also_when_it_hides_behind_connection() {
        for name in [
            "impersonate-user",
            "impersonate-group",
            "impersonate-uid",
            "impersonate-extra-x",
        ] {
            let mut sent = headers(&[(name, "root"), ("connection", name)]);
            assert!(
                matches!(to_spoke(&mut sent), Err(HeaderError::Impersonation(_))),
                "{name}"
            );
        }
    }

    #[test]
    fn says_whom_a_request_acts_as_and_nothing_else() {
        let sent = |acting: &Acting| {
            let mut sent = headers(&[
                ("x-remote-user", "alice"),
                ("x-remote-uid", "1"),
                ("x-remote-extra-scopes", "s"),
                ("connection", "x-remote-user"),
            ]);
            to_spoke(&mut sent).unwrap();
            impersonate(&mut sent, acting);
            let all = sent.iter();
            all.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                .collect::<Vec<_>>()
        };
        let groups = ["dev", "ops"].map(HeaderValue::from_static).to_vec();
        let as_user = Acting::User {
            user: HeaderValue::from_static("hub:alice"),
            groups: groups.clone(),
        };
        assert_eq!(
            sent(&as_user),
            [
                "impersonate-user: hub:alice",
                "impersonate-group: dev",
                "impersonate-group: ops"
            ]
        );
        let as_member = Acting::Member {
            caller: HeaderValue::from_static("alice"),
            groups,
        };
        assert_eq!(
            sent(&as_member),
            [
                "impersonate-user: cluster:hub:group-member",
                "impersonate-extra-gateway.open-cluster-management.io%2fuser: alice",
                "impersonate-group: dev",
                "impersonate-group: ops"
            ]
        );
        assert!(sent(&Acting::Account).is_empty());
    }

    #[test]
    fn the_callers_name_is_in_the_field_that_the_operator_lets_the_gateway_set() {
        let name = IMPERSONATE_CALLER;
        let key = name.as_str().strip_prefix("impersonate-extra-").unwrap();
        let key = percent_encoding::percent_decode_str(key);
        assert_eq!(key.decode_utf8().unwrap(), crds::gateway::USER_EXTRA);
    }

    #[test]
    fn recognises_the_upgrades_kubernetes_speaks() {
        let table = [
            (("Upgrade", "SPDY/3.1"), true),
            (("keep-alive, upgrade", "websocket"), true),
            (("Upgrade", "WebSocket"), true),
            (("Upgrade", "h2c"), false),
            (("close", "websocket"), false),
        ];
        for ((connection, upgrade), wanted) in table {
            let sent = headers(&[("connection", connection), ("upgrade", upgrade)]);
            assert_eq!(
                Upgrade::requested(&sent).is_some(),
                wanted,
                "{connection} {upgrade}"
            );
        }
        assert_eq!(
            Upgrade::requested(&headers(&[("upgrade", "websocket")])),
            None
        );
    }

    #[test]
    fn sets_an_upgrade_anew_after_the_old_one_is_gone() {
        let mut sent = headers(&[
            ("connection", "Upgrade, x-hop"),
            ("upgrade", "SPDY/3.1"),
            ("x-hop", "1"),
        ]);
        let upgrade = Upgrade::requested(&sent).unwrap();
        to_spoke(&mut sent).unwrap();
        assert!(sent.is_empty());
        upgrade.set(&mut sent);
        assert_eq!(
            sent,
            headers(&[("connection", "Upgrade"), ("upgrade", "SPDY/3.1")])
        );
    }

    proptest! {
        #[test]
        fn no_identity_ever_crosses(
            names in proptest::collection::vec(
                "(x-remote-[a-z]{1,8}|authorization|impersonate-[a-z]{1,5}|x-[a-z]{1,8}|connection)", 0..8),
            values in proptest::collection::vec("[a-z, -]{0,20}", 8),
        ) {
            let mut sent = HeaderMap::new();
            for (name, value) in names.iter().zip(&values) {
                sent.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
            }
            let impersonates = names.iter().any(|name| name.starts_with("impersonate-"));
            match to_spoke(&mut sent) {
                Ok(()) => {
                    prop_assert!(!impersonates);
                    for name in sent.keys().map(HeaderName::as_str) {
                        prop_assert!(!name.starts_with("x-remote-") && name != "authorization");
                    }
                }
                Err(_) => prop_assert!(impersonates),
            }
        }
    }
}
