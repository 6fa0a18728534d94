//! The state of a grant on one cluster, and its message.

use crds::{
    cluster::ManagedClusterStatus,
    gateway::{ClusterGrant, GrantState, REMOVING},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::DynamicObject;

use super::{
    callers_are_themselves, caps, judgement, labels_of,
    selection::{is_selected, selects},
};
use crate::{
    grant::{Grant, HeldGrant, Shipped},
    key::Key,
    kind::{Kind, ObjectKey},
    object::part,
    observed::Observed,
    plan::{enrolment, identity},
};

/// The reason of a grant whose selector is invalid.
pub(super) const INVALID_SELECTOR: &str = "InvalidSelector";

/// A grant on one cluster.
pub(super) struct Rollout<'a> {
    pub(super) observed: &'a Observed,
    pub(super) grant: &'a Grant,
    pub(super) cluster: &'a str,
}

/// How far the grant is on the cluster, and why no further.
struct Progress {
    state: GrantState,
    reason: &'static str,
    message: String,
}

impl Progress {
    fn new(state: GrantState, reason: &'static str, message: String) -> Self {
        Self {
            state,
            reason,
            message,
        }
    }
}

impl Rollout<'_> {
    /// The state for the grant's status. `None` if the grant does not select the cluster and
    /// nothing of it is left there. `before` is the state that was reported last.
    pub(super) fn says(
        &self,
        before: Option<&ClusterGrant>,
        now: Timestamp,
    ) -> Option<ClusterGrant> {
        let Progress {
            state,
            reason,
            message,
        } = self.progress(before, now)?;
        let same = before.filter(|it| it.state == state && it.reason == reason);
        Some(ClusterGrant {
            name: self.cluster.to_owned(),
            state,
            since: same.map_or_else(|| whole(now), |it| it.since.clone()),
            reason: reason.to_owned(),
            message,
        })
    }

    fn progress(&self, before: Option<&ClusterGrant>, now: Timestamp) -> Option<Progress> {
        let object = self.object();
        let selects = |it| is_selected(self.observed, self.grant, it, now);
        let is_wanted = object.is_some_and(selects) || self.names_it();
        let is_over = self.grant.object.is_over(now);
        if !is_wanted || is_over {
            let was_there = before.is_some_and(|it| it.state != GrantState::Expired);
            if self.held().is_some() || (was_there && !self.is_settled()) {
                return Some(self.removing());
            }
            let gone = Progress::new(GrantState::Expired, "Expired", String::new());
            return (is_wanted && self.grant.object.metadata.deletion_timestamp.is_none())
                .then_some(gone);
        }
        Some(self.wanted(object, now))
    }

    fn wanted(&self, object: Option<&DynamicObject>, now: Timestamp) -> Progress {
        let cluster = self.cluster;
        let Some(object) = object else {
            let message = format!("the hub has no ManagedCluster {cluster}");
            return Progress::new(GrantState::Pending, "NoSuchCluster", message);
        };
        if !enrolment::is_selected(self.observed, cluster, now) {
            if self.held().is_some() || !self.is_settled() {
                return self.removing();
            }
            let refusal = enrolment::refusal(self.observed, cluster);
            let refusal = refusal.filter(|_| enrolment::is_chosen(self.observed, cluster, now));
            let message = refusal.map_or_else(
                || format!("the hub has not accepted {cluster}, or the GatewayConfiguration does not select it"),
                |refusal| refusal.to_string(),
            );
            return Progress::new(GrantState::Pending, "NotEnrolled", message);
        }
        if let Some(fault) = self.grant.choice.fault()
            && !selects(self.observed, self.grant, object)
        {
            let message = format!(
                "spec.clusters.selector.{fault}; the rights stay on the cluster, and the gateway lets nobody use \
                 them until the selector is corrected"
            );
            return Progress::new(GrantState::Failed, INVALID_SELECTOR, message);
        }
        if !judgement::is_judged(self.observed, self.grant) {
            let message = judgement::message(self.grant);
            return Progress::new(GrantState::Pending, judgement::UNGUARDED, message);
        }
        if !caps(self.observed).allow(&self.grant.object.spec.role, labels_of(object)) {
            let message = "spec.access.caps of the GatewayConfiguration do not allow this role on the cluster";
            return Progress::new(GrantState::Failed, "BeyondCap", message.to_owned());
        }
        if !callers_are_themselves(self.observed) {
            let message = "spec.identity.type of the GatewayConfiguration is ServiceAccount: every caller acts as \
                           the gateway's account, so no AccessGrant has an effect";
            return Progress::new(GrantState::Failed, "NotInEffect", message.to_owned());
        }
        if let Some(why) = identity::mismatch(self.observed) {
            return Progress::new(GrantState::Pending, "ServerDiffers", why);
        }
        if let Some(held) = self.held().filter(|it| it.is_of(self.grant))
            && self.is_settled()
        {
            return match &held.error {
                Some(error) => Progress::new(GrantState::Failed, "Refused", error.clone()),
                None if held.is_missing => {
                    let message = "somebody has deleted the rights on the cluster; its work agent creates them \
                                   again within minutes";
                    Progress::new(GrantState::Pending, "Missing", message.to_owned())
                }
                None => Progress::new(GrantState::Applied, "", String::new()),
            };
        }
        self.on_its_way()
    }

    fn on_its_way(&self) -> Progress {
        let key = Key::Access(self.cluster.to_owned());
        if let Some(fault) = self.observed.faults.get(&key) {
            return Progress::new(GrantState::Pending, fault.reason, fault.message.clone());
        }
        let (reason, message) = match self.away() {
            Some(since) => (
                "Unreachable",
                format!("{since}; the grant is applied when the cluster reconnects"),
            ),
            None => (
                "Shipping",
                "the work agent of the cluster has not applied the grant yet".to_owned(),
            ),
        };
        Progress::new(GrantState::Pending, reason, message)
    }

    fn removing(&self) -> Progress {
        let held = self.held().filter(|it| it.has_ended && self.is_settled());
        if let Some(error) = held.and_then(|it| it.error.as_ref()) {
            let message = format!(
                "the cluster refuses to remove the rights, and until it does the gateway lets nobody use them: {error}"
            );
            return Progress::new(GrantState::Pending, REMOVING, message);
        }
        let message = match self.away() {
            Some(since) => format!(
                "{since}; the rights are removed when the cluster reconnects, and until then the gateway lets \
                 nobody use them"
            ),
            None => "the work agent of the cluster has not removed the rights yet".to_owned(),
        };
        Progress::new(GrantState::Pending, REMOVING, message)
    }

    /// Why the cluster cannot apply anything at the moment.
    pub(super) fn away(&self) -> Option<String> {
        let status = part::<ManagedClusterStatus>(self.object()?, "status").unwrap_or_default();
        let mut conditions = status.conditions.iter();
        let available = conditions.find(|it| it.type_ == "ManagedClusterConditionAvailable")?;
        (available.status != "True").then(|| {
            let since = available.last_transition_time.0;
            format!("{} has not been connected since {since:.0}", self.cluster)
        })
    }

    fn object(&self) -> Option<&DynamicObject> {
        self.observed
            .object(&ObjectKey::global(Kind::ManagedCluster, self.cluster))
    }

    fn names_it(&self) -> bool {
        self.grant
            .object
            .spec
            .clusters
            .names
            .iter()
            .any(|it| it == self.cluster)
    }

    fn works(&self) -> impl Iterator<Item = &Shipped> {
        let works = self.observed.shipped_to(self.cluster);
        works.map(|(_, shipped)| shipped)
    }

    fn held(&self) -> Option<&HeldGrant> {
        self.works()
            .find_map(|shipped| shipped.grants.get(self.grant.name()))
    }

    /// True if the cluster has applied its works as they are now.
    fn is_settled(&self) -> bool {
        self.works().all(|shipped| shipped.is_current)
    }
}

/// Drops the fraction of a second, because times in objects have none.
fn whole(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}
