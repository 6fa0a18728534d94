//! The status of the `GatewayConfiguration`. Pure; the status changes only if something has
//! changed.

mod clusters;
mod conditions;

use crds::gateway::{ComponentVersion, GatewayConfigurationStatus, SINGLETON};
use jiff::Timestamp;
use serde_json::json;

use self::{
    clusters::Survey,
    conditions::{Seen, conditions, unreadable},
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
    if let Some(word) = leaving.word(observed) {
        let text = conditions::held(&leaving, &word);
        plan.warn(&key, object, "RemovalHeld", text);
    }
    if let Some(next) = leaving.next {
        plan.wake_at(next);
    }
    let survey = Survey::of(observed, &before.troubled, now);
    let conditions = conditions(
        observed,
        configuration,
        &Seen {
            survey: &survey,
            leaving: &leaving,
        },
        &before.conditions,
        now,
    );
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
