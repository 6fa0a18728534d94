//! Whose a `ServiceAccount` of the managed cluster is. If a cluster has several hubs, agents of all of
//! them may use one namespace by mistake. Each of them changes and deletes only what is its own.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Annotation of a `ServiceAccount`: the hub and the cluster of the agent that created it.
const OWNER: &str = "gateway.open-cluster-management.io/owner";
/// Annotation of a `ServiceAccount`: the UID of its account.
const ACCOUNT_UID: &str = "authentication.open-cluster-management.io/account-uid";

/// The hub that an agent works for, and the name of its cluster there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Owner(String);

/// What a `ServiceAccount` says about its owner.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Mark {
    /// Missing if upstream, an earlier version, or an agent that does not know its hub created it.
    pub(crate) owner: Option<Owner>,
    /// The UID of the account that it was created for. Those that upstream created do not have it.
    pub(crate) account_uid: Option<String>,
}

impl Owner {
    pub(crate) fn new(hub_id: &str, cluster: &str) -> Self {
        Self(format!("{hub_id}/{cluster}"))
    }

    /// The same as a part of an object's name.
    pub(crate) fn as_name(&self) -> String {
        self.0.replace('/', ".")
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Mark {
    pub(crate) fn read(metadata: &ObjectMeta) -> Self {
        let annotation = |key| metadata.annotations.as_ref()?.get(key).cloned();
        Self {
            owner: annotation(OWNER).map(Owner),
            account_uid: annotation(ACCOUNT_UID),
        }
    }

    /// The annotations that say the same.
    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        let owner = self.owner.as_ref().map(ToString::to_string);
        let all = [(OWNER, owner), (ACCOUNT_UID, self.account_uid.clone())];
        let known = all.into_iter();
        known
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
    }

    /// True if the `ServiceAccount` belongs to this agent. `account` is the UID of the account of its name.
    pub(crate) fn is_of(&self, own: Option<&Owner>, account: Option<&str>) -> bool {
        match (&self.owner, own) {
            (Some(_), _) => self.owner.as_ref() == own,
            // An agent that does not know its hub takes the namespace for its own.
            (None, None) => true,
            // The UID of an account belongs to one hub. Without one, it can only be adopted.
            (None, Some(_)) => account.is_some_and(|account| {
                let uid = self.account_uid.as_deref();
                uid.is_none_or(|uid| uid == account)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_surely_own_is_own() {
        let (own, other) = (Owner::new("a", "managed1"), Owner::new("b", "managed1"));
        let mark = |owner: Option<&Owner>, uid: Option<&str>| Mark {
            owner: owner.cloned(),
            account_uid: uid.map(str::to_owned),
        };
        for (mark, account, is_own) in [
            (mark(Some(&own), Some("1")), Some("1"), true),
            (mark(Some(&own), Some("0")), Some("1"), true),
            (mark(Some(&own), Some("1")), None, true),
            (mark(Some(&other), Some("1")), Some("1"), false),
            (mark(Some(&other), Some("2")), None, false),
            (mark(None, Some("1")), Some("1"), true),
            (mark(None, Some("2")), Some("1"), false),
            (mark(None, Some("1")), None, false),
            (mark(None, None), Some("1"), true),
            (mark(None, None), None, false),
        ] {
            assert_eq!(
                mark.is_of(Some(&own), account),
                is_own,
                "{mark:?} {account:?}"
            );
        }
        assert!(mark(None, Some("2")).is_of(None, Some("1")));
        assert!(!mark(Some(&other), Some("1")).is_of(None, Some("1")));
    }

    #[test]
    fn annotations_are_read_as_they_are_written() {
        let mark = Mark {
            owner: Some(Owner::new("a", "managed1")),
            account_uid: Some("1".to_owned()),
        };
        for mark in [mark, Mark::default()] {
            let metadata = ObjectMeta {
                annotations: Some(mark.annotations()),
                ..ObjectMeta::default()
            };
            assert_eq!(Mark::read(&metadata), mark);
        }
    }
}
