//! The status of a configuration that cannot be read. Pure.

use crds::gateway::GatewayConfigurationStatus;
use jiff::Timestamp;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::{object::part, plan::Finding};

/// The last status, with a condition that says why nothing is changed.
pub(super) fn unreadable(object: &DynamicObject, fault: &str, now: Timestamp) -> Value {
    let before: GatewayConfigurationStatus = part(object, "status").unwrap_or_default();
    let mut status = object.data.get("status").cloned().unwrap_or_default();
    let degraded = Finding {
        kind: "Degraded",
        holds: true,
        reason: "InvalidSpec",
        message: format!("{fault}; nothing is changed until it is corrected"),
    };
    let mut conditions = vec![degraded.condition(&before.conditions, now)];
    let others = status["conditions"].as_array().into_iter().flatten();
    conditions.extend(others.filter(|it| it["type"] != "Degraded").cloned());
    status["conditions"] = conditions.into();
    status["observedGeneration"] = json!(object.metadata.generation);
    status
}
