//! What replicas see of one managed cluster, and what they all show of it. Each has a view of its own;
//! the one with the best evidence is shown, by all of them alike. Pure.

use crds::cluster_core::ClusterGatewayStatus;
use serde::{Deserialize, Serialize};

/// The part of a cluster that is shown and changes without a change of its sources.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct LiveState {
    pub(super) in_use: InUse,
    /// `None` until something was seen of it.
    pub(super) health: Option<ClusterGatewayStatus>,
}

/// The place that a request would go to now.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum InUse {
    Tunnel,
    /// Index into the addresses that are shown.
    Address(usize),
    #[default]
    Unknown,
}

/// What one replica sees.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct View {
    pub(super) evidence: Evidence,
    /// Seconds since 1970 of the last attempt to connect, in steps of [`STEP`].
    pub(super) attempted: i64,
    pub(super) state: LiveState,
}

/// What it rests on, the weakest first.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Evidence {
    /// Nothing was seen.
    #[default]
    Nothing,
    /// An agent is attached.
    Agent,
    /// There was an attempt to connect, whatever came of it.
    Attempt,
    /// A connection is open.
    Connection,
}

/// Attempts closer to each other than this many seconds count as one, so that a cluster that fails does
/// not have news with each request.
pub(super) const STEP: i64 = 10;

/// What is shown of a cluster, and the revision of the hub at which that was decided.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Decision {
    pub(super) revision: u64,
    pub(super) state: LiveState,
}

/// The view that counts of several replicas'.
pub(super) fn best<'a>(views: impl IntoIterator<Item = &'a View>) -> Option<&'a View> {
    views.into_iter().max()
}

impl Decision {
    /// Whether it came after another one.
    pub(super) fn supersedes(&self, other: &Self) -> bool {
        (self.revision, &self.state) > (other.revision, &other.state)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::clusters) fn view(evidence: Evidence, attempted: i64, reason: &str) -> View {
        View {
            evidence,
            attempted,
            state: LiveState {
                in_use: InUse::Tunnel,
                health: Some(ClusterGatewayStatus {
                    healthy: reason.is_empty(),
                    healthy_reason: reason.to_owned(),
                }),
            },
        }
    }

    #[test]
    fn an_open_connection_counts_most_and_then_the_last_attempt() {
        let views = [
            View::default(),
            view(Evidence::Agent, 0, ""),
            view(Evidence::Attempt, 10, ""),
            view(Evidence::Attempt, 20, "refused"),
            view(Evidence::Connection, 10, ""),
        ];
        for count in 1..=views.len() {
            assert_eq!(best(&views[..count]), views.get(count - 1));
            assert_eq!(best(views[..count].iter().rev()), views.get(count - 1));
        }
    }
}
