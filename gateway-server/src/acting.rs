//! The identity that a caller acts as on a managed cluster, and the streams that depend on it.

mod streams;

use http::HeaderValue;

pub(crate) use self::streams::{Streams, Tether, cut_of};

/// The identity that a caller acts as on a managed cluster. Its groups are those of the grants that
/// count, so it has no other rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Acting {
    /// The caller itself.
    User {
        /// Its name on managed clusters.
        user: HeaderValue,
        groups: Vec<HeaderValue>,
    },
    /// A member of these groups: no grant names the caller as a user.
    Member {
        /// The caller's name on the hub.
        caller: HeaderValue,
        groups: Vec<HeaderValue>,
    },
    /// The gateway's own account.
    Account,
}

impl Acting {
    /// The kind of identity, as a metric label.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Member { .. } => "group",
            Self::Account => "account",
        }
    }

    /// Whether a caller who may act as `now` may still do everything that it may do as `self`.
    fn is_within(&self, now: &Self) -> bool {
        let holds = |groups: &[HeaderValue], now: &[HeaderValue]| {
            groups.iter().all(|group| now.contains(group))
        };
        match (self, now) {
            (
                Self::User { user, groups },
                Self::User {
                    user: same,
                    groups: now,
                },
            ) => user == same && holds(groups, now),
            (
                Self::Member { caller, groups },
                Self::Member {
                    caller: same,
                    groups: now,
                },
            ) => caller == same && holds(groups, now),
            (Self::Account, Self::Account) => true,
            (Self::User { .. } | Self::Member { .. } | Self::Account, _) => false,
        }
    }
}

/// A name as the value of an impersonation header. `None` if a header cannot carry it: white space
/// at an end would be lost on the way, and the header would name somebody else.
pub(crate) fn header_value(name: &str) -> Option<HeaderValue> {
    if name.is_empty() || name.trim() != name {
        return None;
    }
    HeaderValue::from_bytes(name.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_change_on_the_way_is_no_name() {
        let table = [
            ("alice", true),
            ("päivi", true),
            ("an ordinary name", true),
            (" system:masters", false),
            ("alice\t", false),
            ("alice\r\nimpersonate-group: system:masters", false),
            ("", false),
        ];
        for (name, wanted) in table {
            assert_eq!(header_value(name).is_some(), wanted, "{name:?}");
        }
    }

    #[test]
    fn who_has_lost_a_group_or_its_name_is_not_what_it_was() {
        let value = HeaderValue::from_static;
        let user = |name, groups: &[&'static str]| Acting::User {
            user: value(name),
            groups: groups.iter().map(|it| value(it)).collect(),
        };
        let member = |groups: &[&'static str]| Acting::Member {
            caller: value("alice"),
            groups: groups.iter().map(|it| value(it)).collect(),
        };
        let table = [
            (user("alice", &["a"]), user("alice", &["b", "a"]), true),
            (user("alice", &["a", "b"]), user("alice", &["a"]), false),
            (user("alice", &["a"]), user("bob", &["a"]), false),
            (user("alice", &["a"]), member(&["a"]), false),
            (member(&["a"]), member(&["a", "b"]), true),
            (member(&["a"]), member(&["b"]), false),
            (member(&["a"]), Acting::Account, false),
            (Acting::Account, Acting::Account, true),
            (Acting::Account, user("alice", &["a"]), false),
        ];
        for (was, now, wanted) in table {
            assert_eq!(was.is_within(&now), wanted, "{was:?} {now:?}");
        }
    }
}
