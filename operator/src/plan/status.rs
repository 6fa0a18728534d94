//! The status of the `GatewayConfiguration`. Pure; the status changes only if something has
//! changed.

mod accounts;
mod clusters;
mod conditions;
mod removals;
mod unreadable;

use crds::gateway::{ComponentVersion, GatewayConfigurationStatus, SINGLETON};
use jiff::Timestamp;
use serde_json::json;

use self::{
    accounts::{CAN_DO_MORE, accounts},
    clusters::Survey,
    conditions::conditions,
    removals::removals,
    unreadable::unreadable,
};
use crate::{
    kind::{Kind, ObjectKey},
    object::part,
    observed::Observed,
    plan::{Desired, Plan, enrolment::Leaving},
};

/// Plans the status.
pub(crate) fn plan(observed: &Observed, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let key = ObjectKey::global(Kind::GatewayConfiguration, SINGLETON);
    let Some(object) = observed.object(&key) else {
        return plan;
    };
    if let Some(fault) = observed.unreadable() {
        let status = unreadable(object, fault, now);
        plan.want_status(observed, Desired::new(key, json!({"status": status})));
        return plan;
    }
    let Some(configuration) = observed.configuration() else {
        return plan;
    };
    let before: GatewayConfigurationStatus = part(object, "status").unwrap_or_default();
    let leaving = Leaving::now(observed, now);
    let removals = removals(observed, &leaving);
    if !removals.holds {
        plan.warn(&key, object, "RemovalHeld", removals.message.clone());
    }
    if let Some(next) = leaving.next {
        plan.wake_at(next);
    }
    let survey = Survey::of(observed, &before.troubled, now);
    let accounts = accounts(observed);
    // It is no fault of the gateway, which works, so it does not make the configuration Degraded.
    let mut conditions = conditions(
        observed,
        configuration,
        &survey,
        removals,
        &before.conditions,
        now,
    );
    conditions.push(accounts.condition(&before.conditions, now));
    if !accounts.holds {
        plan.warn(&key, object, CAN_DO_MORE, accounts.message);
    }
    if let Some(wake) = survey.wake {
        plan.wake_at(wake);
    }
    let components = [
        ("operator", env!("CARGO_PKG_VERSION")),
        ("agent", observed.installation.agent_image.as_str()),
    ]
    .map(|(name, version)| ComponentVersion {
        name: name.to_owned(),
        version: version.to_owned(),
    });
    let status = json!({
        "observedGeneration": configuration.generation,
        "conditions": conditions,
        "clusters": survey.counts,
        "troubled": survey.troubled,
        "components": components,
    });
    plan.want_status(observed, Desired::new(key, json!({"status": status})));
    plan
}
