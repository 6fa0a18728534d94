//! Counts the clusters, and finds those in trouble.

use crds::{
    addon::{AVAILABLE, MANIFEST_APPLIED, ManagedClusterAddOnStatus, REGISTRATION_APPLIED},
    gateway::{ClusterCounts, TroubledCluster},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    addon::Addon,
    key::Key,
    object::part,
    observed::{GatewaySeen, Observed},
    plan::{
        access::{Overdue, overdue},
        enrolment::{PROXY_USABLE, is_chosen, is_row_foreign, refusal},
        row_key,
    },
};

/// How many clusters are named at most.
const NAMED: usize = 20;
/// A problem that is younger than this is not reported, because a cluster that joins is not ready
/// at once and Open Cluster Management looks at its add-ons every half minute.
const SETTLING: SignedDuration = SignedDuration::from_secs(120);

/// All selected clusters.
pub(super) struct Survey {
    pub(super) counts: ClusterCounts,
    pub(super) troubled: Vec<TroubledCluster>,
    /// How many clusters are not ready. Not all of them are named.
    pub(super) unready: i32,
    /// When the next cluster counts as in trouble if nothing changes.
    pub(super) wake: Option<Timestamp>,
}

struct Trouble {
    reason: String,
    message: String,
    since: Option<Timestamp>,
}

impl From<Overdue> for Trouble {
    fn from(Overdue { since, message }: Overdue) -> Self {
        Self {
            reason: "GrantsOverdue".to_owned(),
            message,
            since: Some(since),
        }
    }
}

impl Survey {
    pub(super) fn of(observed: &Observed, before: &[TroubledCluster], now: Timestamp) -> Self {
        let mut survey = Self {
            counts: ClusterCounts::default(),
            troubled: Vec::new(),
            unready: 0,
            wake: None,
        };
        let refused = |cluster: &str| {
            let key = Key::Cluster(cluster.to_owned());
            observed.faults.contains_key(&key)
        };
        for cluster in observed.clusters() {
            if !is_chosen(observed, cluster, now) {
                continue;
            }
            survey.counts.total += 1;
            if is_connected(observed, cluster) {
                survey.counts.connected += 1;
            }
            let (overdue, due) = overdue(observed, cluster, now);
            survey.wake = survey.wake.into_iter().chain(due).min();
            match trouble(observed, cluster).or_else(|| overdue.map(Trouble::from)) {
                None => survey.counts.ready += 1,
                Some(trouble) => survey.add(cluster, trouble, before, now),
            }
        }
        // Hundreds of joining clusters must not hide the one that has a real problem.
        survey
            .troubled
            .sort_by_cached_key(|it| (!refused(&it.name), it.since.0, it.name.clone()));
        survey.troubled.truncate(NAMED);
        survey
    }

    fn add(&mut self, cluster: &str, trouble: Trouble, before: &[TroubledCluster], now: Timestamp) {
        let Trouble {
            reason,
            message,
            since,
        } = trouble;
        self.unready += 1;
        let known = before
            .iter()
            .find(|it| it.name == cluster && it.reason == reason);
        let since = known.map_or_else(|| since.unwrap_or(now), |known| known.since.0);
        // The status has times in whole seconds, and so does what is read back.
        let since = Timestamp::from_second(since.as_second()).unwrap_or(since);
        self.troubled.push(TroubledCluster {
            name: cluster.to_owned(),
            reason,
            message,
            since: Time(since),
        });
        let settled = since.checked_add(SETTLING).unwrap_or(since);
        if settled > now {
            self.wake = Some(self.wake.map_or(settled, |wake| wake.min(settled)));
        }
    }

    /// True if a cluster has been in trouble for longer than it takes to join.
    pub(super) fn is_troubled(&self, now: Timestamp) -> bool {
        let lasting = |it: &TroubledCluster| {
            it.since
                .0
                .checked_add(SETTLING)
                .is_ok_and(|settled| settled <= now)
        };
        self.troubled.iter().any(lasting)
    }
}

fn is_connected(observed: &Observed, cluster: &str) -> bool {
    let seen = observed.gateways.as_ref().and_then(|all| all.get(cluster));
    seen.is_some_and(|seen| seen.is_healthy)
}

/// What keeps a cluster from being ready: the first step that is not done.
fn trouble(observed: &Observed, cluster: &str) -> Option<Trouble> {
    if let Some(refusal) = refusal(observed, cluster) {
        return Some(Trouble {
            reason: refusal.reason().to_owned(),
            message: refusal.to_string(),
            since: None,
        });
    }
    let fault = observed.faults.get(&Key::Cluster(cluster.to_owned()));
    if let Some(fault) = fault {
        return Some(Trouble {
            reason: fault.reason.to_owned(),
            message: fault.message.clone(),
            since: Some(fault.since),
        });
    }
    let seen = observed.gateways.as_ref().and_then(|all| all.get(cluster));
    let mut rows = Addon::ALL.into_iter().filter_map(|addon| {
        let row = observed.object(&row_key(cluster, addon))?;
        let is_foreign = is_row_foreign(observed, cluster, addon);
        if is_foreign && addon == Addon::Proxy {
            return None;
        }
        if is_foreign && addon == Addon::Gateway {
            return Some(foreign(addon));
        }
        let status = part(row, "status").unwrap_or_default();
        if let Some(trouble) = proxy_trouble(&status) {
            return Some(trouble);
        }
        let step = missing_step(addon, &status)?;
        // An agent that cannot be reached is not available either, and the gateway knows why.
        if step == AVAILABLE
            && let Some(seen) = seen.filter(|seen| !seen.is_healthy)
        {
            return Some(unreachable(seen));
        }
        Some(row_trouble(addon, &status, step))
    });
    if let Some(trouble) = rows.next() {
        return Some(trouble);
    }
    if observed.object(&row_key(cluster, Addon::Gateway)).is_none() {
        return Some(Trouble {
            reason: "NotEnrolled".to_owned(),
            message: "its add-ons have not been created yet".to_owned(),
            since: None,
        });
    }
    observed.gateways.as_ref()?;
    match seen {
        Some(seen) if seen.is_healthy => None,
        Some(seen) => Some(unreachable(seen)),
        None => Some(Trouble {
            reason: "NotServed".to_owned(),
            message: "the gateway does not know the cluster; see the log of the gateway".to_owned(),
            since: None,
        }),
    }
}

fn foreign(addon: Addon) -> Trouble {
    Trouble {
        reason: "AddOnForeign".to_owned(),
        message: format!(
            "the add-on {addon} belongs to somebody else; delete its ManagedClusterAddOn, and the operator creates its own"
        ),
        since: None,
    }
}

fn unreachable(seen: &GatewaySeen) -> Trouble {
    Trouble {
        reason: "Unreachable".to_owned(),
        message: format!("the gateway cannot reach the cluster: {}", seen.reason),
        since: None,
    }
}

/// What is wrong with the proxy of an agent. Without one that it can use, the agent does not come, which
/// says less.
fn proxy_trouble(status: &ManagedClusterAddOnStatus) -> Option<Trouble> {
    let proxy = status.condition(PROXY_USABLE)?;
    (proxy.status != "True").then(|| Trouble {
        reason: proxy.reason.clone(),
        message: format!("the agent cannot use its proxy: {}", proxy.message),
        since: Some(proxy.last_transition_time.0),
    })
}

/// The first step that an add-on has not done.
fn missing_step(addon: Addon, status: &ManagedClusterAddOnStatus) -> Option<&'static str> {
    // This add-on carries the agent of all three.
    [REGISTRATION_APPLIED, MANIFEST_APPLIED, AVAILABLE]
        .into_iter()
        .filter(|step| addon == Addon::Gateway || *step != MANIFEST_APPLIED)
        .find(|step| !status.is(step))
}

fn row_trouble(addon: Addon, status: &ManagedClusterAddOnStatus, step: &str) -> Trouble {
    let condition = status.condition(step);
    let said = condition.map_or("no condition has been reported yet", |it| {
        it.message.as_str()
    });
    Trouble {
        reason: condition.map_or_else(|| "Pending".to_owned(), |it| it.reason.clone()),
        message: format!("condition {step} of the add-on {addon} is not True: {said}"),
        since: condition.map(|it| it.last_transition_time.0),
    }
}
