//! The identity that a caller acts as on a managed cluster, and the streams that depend on it.

mod named;
mod streams;

use std::{collections::BTreeSet, sync::Arc};

use crds::gateway::OnCluster;
use http::HeaderValue;

pub(crate) use self::{
    named::Named,
    streams::{Streams, Tether, cut_of},
};

/// The identity that a caller acts as on a managed cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Acting {
    /// The caller itself, with those of its groups that grants name there.
    User {
        user: Arc<Named>,
        groups: Vec<Arc<Named>>,
    },
    /// A member of these groups: grants name only the groups, not the caller.
    Member {
        /// The caller's name on the hub.
        caller: HeaderValue,
        groups: Vec<Arc<Named>>,
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

    /// Whether its rights depend on one of these subjects.
    fn depends_on(&self, subjects: &BTreeSet<OnCluster>) -> bool {
        let named = |it: &Arc<Named>| subjects.contains(&it.who);
        match self {
            Self::User { user, groups } => named(user) || groups.iter().any(named),
            Self::Member { groups, .. } => groups.iter().any(named),
            Self::Account => subjects.contains(&OnCluster::Gateway),
        }
    }
}
