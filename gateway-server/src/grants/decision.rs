//! Which identity a caller acts as on a managed cluster. Pure.

use std::sync::Arc;

use crds::{ClusterName, gateway::ON_CLUSTER_PREFIX};
use http::HeaderValue;

use super::{
    reading::Obstacle,
    standings::{Found, Standings},
};
use crate::{
    acting::{Acting, Named},
    authentication::User,
};

/// Why a caller may not act at all, not even as the gateway's account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// The gateway has just started.
    #[error("the gateway has not read all AccessGrants from the hub yet")]
    NotReadYet,
    /// The cluster would take it for another user.
    #[error(
        "hub user {0:?} cannot act on managed clusters: there, names that begin with \
         {ON_CLUSTER_PREFIX} are reserved for the hub's system: identities"
    )]
    Name(String),
    /// A grant names it, but does not hold.
    #[error("{}", tell(.0))]
    Grant(Arc<Obstacle>),
}

impl Denied {
    /// The reason, as a metric label.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotReadYet => "not-read-yet",
            Self::Name(_) => "name",
            Self::Grant(obstacle) if obstacle.failed => "failed",
            Self::Grant(_) => "pending",
        }
    }
}

/// Decides. The caller's uid and extra fields play no role, and never reach the cluster.
pub(super) fn decide(
    caller: &User,
    cluster: &ClusterName,
    standings: &Standings,
) -> Result<Acting, Denied> {
    if !standings.listed {
        return Err(Denied::NotReadYet);
    }
    let unfit = || Denied::Name(caller.name.clone());
    if caller.name.starts_with(ON_CLUSTER_PREFIX) {
        return Err(unfit());
    }
    let mut obstacle = None;
    let user = standings
        .user(&caller.name, cluster)
        .and_then(|found| counting(found, &mut obstacle));
    let mut groups = Vec::new();
    for name in &caller.groups {
        let group = standings
            .group(name, cluster)
            .and_then(|found| counting(found, &mut obstacle));
        if let Some(group) = group
            && !groups.contains(group)
        {
            groups.push(Arc::clone(group));
        }
    }
    match (user, obstacle) {
        (Some(user), _) => Ok(Acting::User {
            user: Arc::clone(user),
            groups,
        }),
        (None, _) if !groups.is_empty() => Ok(Acting::Member {
            caller: HeaderValue::from_bytes(caller.name.as_bytes()).map_err(|_| unfit())?,
            groups,
        }),
        (None, Some(obstacle)) => Err(Denied::Grant(Arc::clone(obstacle))),
        (None, None) => Ok(Acting::Account),
    }
}

/// The subject, if a grant counts for it. Otherwise notes the obstacle; a pending grant is
/// preferred to a failed one, because it may still come to hold.
fn counting<'a>(
    found: Found<'a>,
    obstacle: &mut Option<&'a Arc<Obstacle>>,
) -> Option<&'a Arc<Named>> {
    let Found { named, standing } = found;
    if standing.counts() {
        return Some(named);
    }
    let all = standing.obstacles().iter().chain(obstacle.take());
    *obstacle = all.min_by_key(|it| (it.failed, it.grant.as_str()));
    None
}

fn tell(obstacle: &Obstacle) -> String {
    let Obstacle {
        grant,
        failed,
        since,
        why,
    } = obstacle;
    let colon = if why.is_empty() { "" } else { ": " };
    let state = if *failed { "failing" } else { "pending" };
    let since = since.map_or_else(String::new, |since| format!(" (since {since:.0})"));
    format!("AccessGrant {grant:?}, which names you, is {state} there{since}{colon}{why}")
}

#[cfg(test)]
mod tests;
