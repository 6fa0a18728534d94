//! What replicas see of one managed cluster, and what they show of it. Each replica has a view of
//! its own, and all of them show the view with the best evidence. Pure.

use serde::{Deserialize, Serialize};

/// The part of a shown cluster that can change without a change of its sources.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct LiveState {
    pub(super) in_use: InUse,
    /// `None` until something is known of its health.
    pub(super) health: Option<Seen>,
}

/// The health of a cluster, as the wire between replicas has it.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Seen {
    pub(super) healthy: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) healthy_reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) excess_rights: Option<Vec<String>>,
}

/// Where a request would go now.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum InUse {
    Tunnel,
    /// The index into the addresses that are shown.
    Address(usize),
    #[default]
    Unknown,
}

/// What one replica sees.
#[derive(Clone, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) struct View {
    pub(super) evidence: Evidence,
    /// When the last attempt to connect was, in seconds since 1970, rounded down to a multiple of
    /// [`STEP`].
    pub(super) attempted: i64,
    pub(super) state: LiveState,
}

/// What a view is based on, the weakest first.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Evidence {
    /// Nothing was seen.
    #[default]
    Nothing,
    /// An agent is attached.
    Agent,
    /// There was an attempt to connect, successful or not.
    Attempt,
    /// A connection is open.
    Connection,
}

/// Attempts to connect within this many seconds count as one. Otherwise each request to a failing
/// cluster would cause news.
pub(super) const STEP: i64 = 10;

/// What is shown of a cluster, and the revision of the hub at which that was decided.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Decision {
    pub(super) revision: u64,
    pub(super) state: LiveState,
    /// When the cluster became healthy, or stopped being so, in seconds since 1970. `None` if that
    /// was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<i64>,
    /// When a cluster that is not healthy was healthy last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_seen: Option<i64>,
}

/// The view that counts among those of several replicas.
pub(super) fn best<'a>(views: impl IntoIterator<Item = &'a View>) -> Option<&'a View> {
    views.into_iter().max()
}

impl Decision {
    /// The next decision, taken at this time.
    pub(super) fn next(&self, revision: u64, state: LiveState, now: i64) -> Self {
        let was_healthy = self.is_healthy();
        let is_healthy = state.health.as_ref().map(|it| it.healthy);
        let is_turned = is_healthy != was_healthy;
        Self {
            revision,
            since: if is_turned { Some(now) } else { self.since },
            last_seen: match (was_healthy, is_healthy) {
                (Some(true), Some(false)) => Some(now),
                (_, Some(true)) => None,
                _ => self.last_seen,
            },
            state,
        }
    }

    pub(super) fn is_healthy(&self) -> Option<bool> {
        self.state.health.as_ref().map(|it| it.healthy)
    }

    /// Whether it replaces another decision. At the same revision the state breaks the tie, so that
    /// all replicas end alike.
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
                health: Some(Seen {
                    healthy: reason.is_empty(),
                    healthy_reason: reason.to_owned(),
                    excess_rights: None,
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

    #[test]
    fn it_is_remembered_when_a_cluster_turned_and_when_it_was_seen_last() {
        let state = |reason: &str| view(Evidence::Attempt, 0, reason).state;
        let begun = Decision::default().next(1, state(""), 10);
        assert_eq!((begun.since, begun.last_seen), (Some(10), None));
        let away = begun.next(2, state("refused"), 20);
        assert_eq!((away.since, away.last_seen), (Some(20), Some(20)));
        let still = away.next(3, state("no route"), 30);
        assert_eq!((still.since, still.last_seen), (Some(20), Some(20)));
        let back = still.next(4, state(""), 40);
        assert_eq!((back.since, back.last_seen), (Some(40), None));
        let never = Decision::default().next(1, state("refused"), 10);
        assert_eq!((never.since, never.last_seen), (Some(10), None));
    }
}
