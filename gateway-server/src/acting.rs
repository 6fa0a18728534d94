//! As whom a caller acts on a managed cluster, and what is tied to that there.

mod named;
mod streams;

use std::{collections::BTreeSet, sync::Arc};

use crds::gateway::OnCluster;
use http::HeaderValue;

pub(crate) use self::{
    named::Named,
    streams::{Streams, Tether, cut_of},
};

/// As whom a caller acts on a managed cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Acting {
    /// As itself, with those of its groups that were granted something there.
    User {
        user: Arc<Named>,
        groups: Vec<Arc<Named>>,
    },
    /// As nobody but a member of these groups, which alone were granted something.
    Member {
        /// What the hub calls it.
        caller: HeaderValue,
        groups: Vec<Arc<Named>>,
    },
    /// As the gateway's own account.
    Account,
}

impl Acting {
    /// In one word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::Member { .. } => "group",
            Self::Account => "account",
        }
    }

    /// Whether what it may do depends on one of these.
    fn depends_on(&self, subjects: &BTreeSet<OnCluster>) -> bool {
        let named = |it: &Arc<Named>| subjects.contains(&it.who);
        match self {
            Self::User { user, groups } => named(user) || groups.iter().any(named),
            Self::Member { groups, .. } => groups.iter().any(named),
            Self::Account => subjects.contains(&OnCluster::Gateway),
        }
    }
}
