//! The names of the hub's users on managed clusters.

use std::str::FromStr;

/// The prefix on managed clusters of everything that only the hub gives names to.
pub const ON_CLUSTER_PREFIX: &str = "cluster:hub:";
/// Names of a cluster's own identities begin so.
const SYSTEM: &str = "system:";
/// What Kubernetes and its installers give names to. A prefix must not be one of them.
const RESERVED: [&str; 4] = [SYSTEM, "kube:", "kubeadm:", "cluster:"];

/// What precedes the names of the hub's users on managed clusters. With a prefix, no user of the
/// hub has the name of a user that the cluster knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPrefix(String);

/// A text that cannot be a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot precede the names of users: write lower case letters, digits, '-' and '.', and a \
     ':' at the end, e.g. hub: (not system:, kube:, kubeadm: or cluster:), or nothing"
)]
pub struct InvalidUserPrefix(String);

impl UserPrefix {
    /// The name on managed clusters of a user of the hub. `None` if it can have none: without a
    /// prefix, some names mean something else there. Those of the hub's system are then told apart
    /// from those of the cluster.
    pub fn on_cluster(&self, user: &str) -> Option<String> {
        let Self(prefix) = self;
        match prefix.as_str() {
            _ if !self.admits(user) => None,
            "" if user.starts_with(SYSTEM) => Some(format!("{ON_CLUSTER_PREFIX}{user}")),
            prefix => Some(format!("{prefix}{user}")),
        }
    }

    /// Whether a user of the hub can have a name on managed clusters.
    pub fn admits(&self, user: &str) -> bool {
        !self.0.is_empty() || !user.starts_with(ON_CLUSTER_PREFIX)
    }

    /// The prefix as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for UserPrefix {
    fn default() -> Self {
        Self("hub:".to_owned())
    }
}

impl FromStr for UserPrefix {
    type Err = InvalidUserPrefix;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = |word: &str| {
            let fits =
                |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "-.".contains(it);
            !word.is_empty() && word.chars().all(fits) && !RESERVED.contains(&text)
        };
        if text.is_empty() || text.strip_suffix(':').is_some_and(is_valid) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidUserPrefix(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(prefix: &str, user: &str) -> Option<String> {
        prefix.parse::<UserPrefix>().unwrap().on_cluster(user)
    }

    #[test]
    fn users_have_the_prefix_and_without_one_keep_their_names() {
        let table = [
            ("hub:", "alice", Some("hub:alice")),
            ("hub:", "system:admin", Some("hub:system:admin")),
            ("hub:", "cluster:hub:x", Some("hub:cluster:hub:x")),
            ("eu-1.hub:", "alice", Some("eu-1.hub:alice")),
            ("", "alice", Some("alice")),
            ("", "system:admin", Some("cluster:hub:system:admin")),
            ("", "cluster:hub:system:admin", None),
        ];
        for (prefix, user, wanted) in table {
            assert_eq!(named(prefix, user).as_deref(), wanted, "{prefix} {user}");
        }
    }

    #[test]
    fn a_prefix_by_which_users_could_become_the_clusters_own_is_refused() {
        for text in [
            "system:", "kube:", "kubeadm:", "cluster:", "hub", ":", "s", "Hub:", "a b:", "a:b:",
            "system::",
        ] {
            assert!(text.parse::<UserPrefix>().is_err(), "{text}");
        }
        assert_eq!(
            UserPrefix::default().as_str().parse(),
            Ok(UserPrefix::default())
        );
    }

    proptest! {
        #[test]
        fn two_users_are_never_one_and_nobody_is_of_the_system(
            prefix in prop_oneof![Just(""), Just("hub:"), Just("a:")],
            users in proptest::collection::vec("(system:|cluster:hub:|hub:|a:|[a-c:]){0,4}", 2),
        ) {
            let names: Vec<_> = users.iter().map(|it| named(prefix, it)).collect();
            prop_assert!(names[0].is_none() || users[0] == users[1] || names[0] != names[1]);
            prop_assert!(names.iter().flatten().all(|it| !it.starts_with("system:")));
        }
    }
}
