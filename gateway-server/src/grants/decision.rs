//! Which identity a caller acts as on a managed cluster. Pure.

use std::sync::Arc;

use crds::{
    ClusterName,
    gateway::{Fallback, ON_CLUSTER_PREFIX},
};
use http::HeaderValue;

use super::{
    reading::{Obstacle, State},
    standings::{Standing, Standings},
};
use crate::{
    acting::{Acting, header_value},
    authentication::User,
    identities::Identities,
};

/// Why a caller may not act at all, not even as the gateway's account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// The gateway has just started.
    #[error("the gateway has not read all AccessGrants, and what bounds them, from the hub yet")]
    NotReadYet,
    /// The cluster would take it for another user.
    #[error(
        "hub user {0:?} cannot act on managed clusters: there, names that begin with \
         {ON_CLUSTER_PREFIX} are reserved for the hub's system: identities"
    )]
    Name(String),
    /// The cluster could not be told who it is.
    #[error(
        "hub user {0:?} cannot act on managed clusters by an AccessGrant, because no HTTP header can carry its name \
         there unchanged"
    )]
    Unnameable(String),
    /// A grant names it, but does not hold.
    #[error("{}", tell(.0))]
    Grant(Arc<Obstacle>),
    /// No grant names it, and others than those that grants name may not act.
    #[error("no AccessGrant names hub user {caller:?} or one of its groups there")]
    NoGrant {
        /// Its name on the hub.
        caller: String,
    },
}

impl Denied {
    /// The reason, as a metric label.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotReadYet => "not-read-yet",
            Self::Name(_) | Self::Unnameable(_) => "name",
            Self::Grant(obstacle) => match obstacle.state {
                State::Pending => "pending",
                State::Failed => "failed",
                State::Over => "over",
            },
            Self::NoGrant { .. } => "no-grant",
        }
    }
}

/// Decides. The caller has the groups of all grants that count and name it, one of its groups, or
/// everyone. Its uid, its extra fields and its groups on the hub never reach the cluster.
pub(super) fn decide(
    caller: &User,
    cluster: &ClusterName,
    standings: &Standings,
    identities: &Identities,
) -> Result<Acting, Denied> {
    if !standings.are_complete() {
        return Err(Denied::NotReadYet);
    }
    if !identities.prefix.admits(&caller.name) {
        return Err(Denied::Name(caller.name.clone()));
    }
    let unnameable = || Denied::Unnameable(caller.name.clone());
    let mut sum = Sum::default();
    let user = standings.user(&caller.name, cluster);
    sum.add(user.map(|found| found.standing));
    let is_named = !sum.groups.is_empty();
    for name in &caller.groups {
        sum.add(standings.group(name, cluster));
    }
    sum.add(standings.everyone(cluster));
    let Sum { groups, obstacle } = sum;
    match (user.filter(|_| is_named), obstacle) {
        (Some(user), _) => Ok(Acting::User {
            user: user.name.cloned().ok_or_else(unnameable)?,
            groups,
        }),
        (None, _) if !groups.is_empty() => Ok(Acting::Member {
            caller: header_value(&caller.name).ok_or_else(unnameable)?,
            groups,
        }),
        (None, Some(obstacle)) => Err(Denied::Grant(Arc::clone(obstacle))),
        (None, None) => {
            let denied = || Denied::NoGrant {
                caller: caller.name.clone(),
            };
            let falls_back = falls_back(cluster, standings, identities);
            falls_back.then_some(Acting::Account).ok_or_else(denied)
        }
    }
}

/// Whether a caller whom no grant names acts as the gateway's account on a cluster.
pub(super) fn falls_back(
    cluster: &ClusterName,
    standings: &Standings,
    identities: &Identities,
) -> bool {
    match identities.fallback {
        Fallback::Account => true,
        Fallback::Deny => false,
        Fallback::Auto => !standings.used.contains(cluster),
    }
}

/// What all standings of a caller on a cluster come to.
#[derive(Default)]
struct Sum<'a> {
    /// The groups of grants that count, each once.
    groups: Vec<HeaderValue>,
    /// The most hopeful reason why a grant does not count: a pending grant may still come to hold.
    obstacle: Option<&'a Arc<Obstacle>>,
}

impl<'a> Sum<'a> {
    fn add(&mut self, standing: Option<&'a Standing>) {
        let Some(standing) = standing else {
            return;
        };
        for group in standing.groups() {
            if !self.groups.contains(group) {
                self.groups.push(group.clone());
            }
        }
        let all = standing.obstacles().iter().chain(self.obstacle.take());
        self.obstacle = all.min_by_key(|it| (it.state, it.grant.as_str()));
    }
}

fn tell(obstacle: &Obstacle) -> String {
    let Obstacle {
        grant,
        state,
        since,
        why,
    } = obstacle;
    let colon = if why.is_empty() { "" } else { ": " };
    let state = match state {
        State::Pending => "is pending",
        State::Failed => "is failing",
        State::Over => "has ended",
    };
    let since = since.map_or_else(String::new, |since| format!(" (since {since:.0})"));
    format!("AccessGrant {grant:?}, which names you, {state} there{since}{colon}{why}")
}

#[cfg(test)]
mod tests;
