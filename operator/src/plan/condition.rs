//! A finding of a plan, as a condition of an object's status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

/// A condition without the time of its last transition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Finding {
    /// The condition's type.
    pub(crate) kind: &'static str,
    pub(crate) holds: bool,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Finding {
    /// The condition. It keeps its transition time while its status stays the same.
    pub(crate) fn condition(&self, before: &[Condition], now: Timestamp) -> Value {
        let status = if self.holds { "True" } else { "False" };
        let same = before
            .iter()
            .find(|condition| condition.type_ == self.kind && condition.status == status);
        let since = same.map_or(now, |condition| condition.last_transition_time.0);
        json!({
            "type": self.kind, "status": status, "reason": self.reason, "message": self.message,
            "lastTransitionTime": format!("{since:.0}"),
        })
    }
}
