//! What the hub is supposed to have for one managed cluster, by the rules of Open Cluster
//! Management's add-ons. Pure. Each plan covers one cluster, so that a slow or broken cluster
//! delays no other.
//!
//! ```text
//! selected:  rows → registration → hub RBAC → RegistrationApplied → work → ManifestApplied
//!                        └ certificate requests      └ account
//! leaving:   account → (agent revokes, or patience ends) → work → rows, RBAC
//! ```

mod account;
mod agent;
mod certificate;
mod choice;
mod deployment_config;
mod leaving;
mod namespace;
mod placement;
mod proxy;
mod registration;
mod removal;
mod rows;
mod selected_cluster;
mod telling;
mod work;

use jiff::Timestamp;

#[cfg(test)]
pub(crate) use self::certificate::{request_for_tests, tunnel_request_for_tests};
pub(crate) use self::{
    certificate::fuzz as fuzz_certificate_request,
    deployment_config::token_namespace,
    leaving::Leaving,
    namespace::refusal,
    placement::{is_chosen, is_selected, looks_again_at},
    proxy::PROXY_USABLE,
    registration::own_group_of_all,
    selected_cluster::is_row_foreign,
};
use self::{
    choice::{is_addon_foreign, is_enrolled},
    namespace::Refusal,
    selected_cluster::SelectedCluster,
};
use crate::{
    addon::Addon,
    kind::{Kind, ObjectKey},
    object::is_ours,
    observed::Observed,
    plan::{Plan, row_key},
};

/// Plans one cluster.
pub(crate) fn plan(observed: &Observed, cluster: &str, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    say_refusal(observed, cluster, now, &mut plan);
    if let Some(time) = looks_again_at(observed, cluster, now) {
        plan.wake_at(time);
    }
    let selected = SelectedCluster::of(observed, cluster, now);
    let Some(cluster) = selected.filter(|it| !it.is_row_deleting()) else {
        if is_frozen(observed, cluster) {
            plan.wake_at(now + placement::LOOK_AGAIN);
            return plan;
        }
        let row = observed.object(&row_key(cluster, Addon::Gateway));
        if row.is_some_and(is_ours) {
            let why = placement::why_it_leaves(observed, cluster);
            let why = format!("its add-ons and its agent are removed: {why}");
            telling::tell(observed, cluster, "Removing", &why, &mut plan);
        }
        removal::plan(observed, cluster, now, &mut plan);
        return plan;
    };
    if cluster.row().is_none() {
        let why =
            "the GatewayConfiguration selects the cluster; its add-ons and its agent are installed";
        telling::tell(observed, cluster.name, "Enrolling", why, &mut plan);
    }
    rows::plan(&cluster, &mut plan);
    account::plan(&cluster, &mut plan);
    let registered = registration::plan(&cluster, &mut plan);
    certificate::plan(&cluster, &mut plan);
    let writes = plan.actions.len();
    let deployed = work::plan(&cluster, &mut plan);
    // The work is as it is supposed to be, and the cluster has carried it out.
    let runs = deployed.as_ref().is_some_and(|it| it.holds);
    if runs && plan.actions.len() == writes {
        account::let_go(&cluster, &mut plan);
    }
    rows::say(&cluster, &registered, deployed.as_ref(), now, &mut plan);
    plan
}

/// True if the add-on now belongs to somebody else, and too many clusters would leave for that.
fn is_frozen(observed: &Observed, cluster: &str) -> bool {
    is_addon_foreign(observed) && is_enrolled(observed, cluster) && leaving::is_held(observed)
}

/// Warns if the cluster is not enrolled because of its name. A namespace that is missing comes soon.
fn say_refusal(observed: &Observed, cluster: &str, now: Timestamp, plan: &mut Plan) {
    let key = ObjectKey::global(Kind::ManagedCluster, cluster);
    let Some(object) = observed
        .object(&key)
        .filter(|_| is_chosen(observed, cluster, now))
    else {
        return;
    };
    if let Some(refusal) = refusal(observed, cluster)
        && !matches!(refusal, Refusal::Missing(_))
    {
        let text = format!("not enrolled: {refusal}");
        plan.warn(&key, object, refusal.reason(), text);
    }
}
