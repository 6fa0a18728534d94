//! Removes a cluster: first the accounts, while the agent can still revoke their tokens, then the
//! agent, then the rest. Each step waits for the one before, but not for ever, because a cluster
//! that is gone for good must not keep its objects on the hub alive.

use crds::{addon::PRE_DELETE, authentication::FINALIZER};
use jiff::Timestamp;
use kube::core::DynamicObject;

use super::{
    registration::{tokens_binding, tunnel_binding},
    telling,
};
use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    names::WORK,
    object::{deleting, is_ours},
    observed::Observed,
    plan::{Hold, Plan, row_key},
};

pub(super) fn plan(observed: &Observed, cluster: &str, now: Timestamp, plan: &mut Plan) {
    let leaving = Leaving {
        observed,
        cluster,
        now,
        is_tokens_ours: is_tokens_ours(observed, cluster),
    };
    if leaving.accounts(plan) && leaving.work(plan) {
        leaving.rest(plan);
    }
}

struct Leaving<'a> {
    observed: &'a Observed,
    cluster: &'a str,
    now: Timestamp,
    /// Whether the operator's agent handles the accounts.
    is_tokens_ours: bool,
}

/// False if the add-on for accounts belongs to somebody else, because then their agent handles
/// accounts.
fn is_tokens_ours(observed: &Observed, cluster: &str) -> bool {
    let row = observed.object(&row_key(cluster, Addon::Accounts));
    row.is_none_or(is_ours)
}

impl Leaving<'_> {
    /// Deletes the operator's account. True once it is gone.
    fn accounts(&self, plan: &mut Plan) -> bool {
        let kind = Kind::ManagedServiceAccount;
        let ours: Vec<_> = self
            .observed
            .within(kind, self.cluster)
            .filter(|(_, object)| is_ours(object))
            .collect();
        for (key, object) in &ours {
            plan.unwanted(self.observed, key);
            let Some(since) = deleting(object) else {
                continue;
            };
            match self.observed.installation.patience_ends(since, self.now) {
                Some(end) => plan.wake_at(end),
                None => self.release(key, object, plan),
            }
        }
        ours.is_empty()
    }

    /// Removes the account's finalizer although the agent has not revoked the token.
    fn release(&self, key: &ObjectKey, object: &DynamicObject, plan: &mut Plan) {
        if !self.is_tokens_ours {
            return;
        }
        let writes = plan.actions.len();
        plan.hold(key, object, FINALIZER, Hold::Release);
        if plan.actions.len() > writes {
            let text = format!(
                "the agent of {} did not revoke the token within {} s; the token stops working when the agent's \
                 namespace is deleted there, at the latest when it expires",
                self.cluster,
                self.observed.installation.patience.as_secs()
            );
            telling::warn(self.observed, self.cluster, "TokenAbandoned", &text, plan);
        }
    }

    /// Deletes the work. True once it is gone, or the wait has ended.
    fn work(&self, plan: &mut Plan) -> bool {
        let key = ObjectKey::new(Kind::ManifestWork, self.cluster, WORK);
        let Some(work) = self.observed.object(&key).filter(|work| is_ours(work)) else {
            return true;
        };
        plan.unwanted(self.observed, &key);
        let Some(since) = deleting(work) else {
            return false;
        };
        if let Some(end) = self.observed.installation.patience_ends(since, self.now) {
            plan.wake_at(end);
            return false;
        }
        let text = format!(
            "{} did not remove its agent within {} s; what is left is removed when the cluster reconnects",
            self.cluster,
            self.observed.installation.patience.as_secs()
        );
        telling::warn(self.observed, self.cluster, "AgentAbandoned", &text, plan);
        true
    }

    /// Deletes what only the agent needed.
    fn rest(&self, plan: &mut Plan) {
        let (observed, cluster) = (self.observed, self.cluster);
        // The accounts of others stay. Their tokens ended with the agent's namespace, and nobody
        // else would remove the agent's finalizer from them.
        let had_agent = observed
            .object(&row_key(cluster, Addon::Gateway))
            .is_some_and(is_ours);
        if had_agent && self.is_tokens_ours {
            for (key, object) in observed.within(Kind::ManagedServiceAccount, cluster) {
                plan.hold(key, object, FINALIZER, Hold::Release);
            }
        }
        for key in [tokens_binding(cluster), tunnel_binding(cluster)] {
            plan.unwanted(observed, &key);
        }
        for addon in Addon::ALL {
            let key = row_key(cluster, addon);
            let Some(row) = observed.object(&key).filter(|row| is_ours(row)) else {
                continue;
            };
            // This add-on is deleted last because the removal of the others depends on it.
            if addon != Addon::Gateway || plan.actions.is_empty() {
                plan.unwanted(observed, &key);
                if deleting(row).is_some() {
                    plan.hold(&key, row, PRE_DELETE, Hold::Release);
                }
            }
        }
    }
}
