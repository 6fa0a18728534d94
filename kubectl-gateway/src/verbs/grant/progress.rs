//! The progress of a grant. Pure.

use crds::gateway::{AccessGrant, GrantState};
use kube::ResourceExt as _;

use crate::voice::Outcome;

/// How far a grant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Some clusters may still apply it.
    Waiting,
    /// All of its clusters have applied it, if there are any.
    Applied,
    /// Nothing is pending, but some clusters have not applied it.
    Failed,
}

impl Progress {
    pub(super) fn of(grant: &AccessGrant) -> Self {
        let status = grant.status.as_ref();
        let Some(status) = status.filter(|it| it.observed_generation == grant.metadata.generation)
        else {
            return Self::Waiting;
        };
        let any = |state| status.cluster_states.iter().any(|it| it.state == state);
        if any(GrantState::Pending) {
            Self::Waiting
        } else if any(GrantState::Failed) || any(GrantState::Expired) {
            Self::Failed
        } else {
            Self::Applied
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Applied => Outcome::Done,
            Self::Waiting | Self::Failed => Outcome::Differs,
        }
    }

    /// The clusters that have applied the grant, what is missing on the others, and the next step.
    pub(super) fn said(self, grant: &AccessGrant) -> String {
        let name = grant.name_any();
        let states = grant.status.iter().flat_map(|it| &it.cluster_states);
        let lines = states.map(|it| {
            let why = match (it.reason.as_str(), it.message.as_str()) {
                ("", "") => String::new(),
                (reason, "") => format!(": {reason}"),
                (reason, message) => format!(": {reason}: {message}"),
            };
            format!("{}: {:?}{why}\n", it.name, it.state)
        });
        let lines: String = lines.collect();
        let end = match self {
            Self::Applied if lines.is_empty() => {
                "the grant selects no cluster of this hub yet\n".to_owned()
            }
            Self::Applied => String::new(),
            Self::Failed => format!("the grant is not applied on all of its clusters; change it, or delete it with kubectl delete accessgrant {name}\n"),
            Self::Waiting if lines.is_empty() => {
                "the operator has not reported a status yet; check that it is running: kubectl get gatewayconfiguration\n"
                    .to_owned()
            }
            Self::Waiting => format!("the operator continues to apply the grant; see kubectl describe accessgrant {name}\n"),
        };
        lines + &end
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn grant(observed: i64, states: &[(&str, &str, &str)]) -> AccessGrant {
        let states = states.iter().map(|(name, state, reason)| {
            json!({"name": name, "state": state, "reason": reason, "since": "2026-01-01T00:00:00Z"})
        });
        serde_json::from_value(json!({
            "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
            "metadata": {"name": "g", "generation": 2},
            "spec": {"clusters": {}, "subjects": [], "role": {}},
            "status": {"observedGeneration": observed, "clusterStates": states.collect::<Vec<Value>>()},
        }))
        .unwrap()
    }

    #[test]
    fn it_is_waited_for_what_may_still_come() {
        let (applied, pending, failed) = (
            ("a", "Applied", ""),
            ("b", "Pending", "Shipping"),
            ("c", "Failed", "Refused"),
        );
        for (observed, states, wanted) in [
            (1, &[applied][..], Progress::Waiting),
            (2, &[applied], Progress::Applied),
            (2, &[], Progress::Applied),
            (2, &[applied, pending, failed], Progress::Waiting),
            (2, &[applied, failed], Progress::Failed),
        ] {
            assert_eq!(Progress::of(&grant(observed, states)), wanted, "{states:?}");
        }
    }

    #[test]
    fn each_cluster_has_a_line_and_the_end_says_the_next_step() {
        let grant = grant(2, &[("a", "Applied", ""), ("b", "Pending", "Shipping")]);
        assert_eq!(
            Progress::Waiting.said(&grant),
            "a: Applied\nb: Pending: Shipping\nthe operator continues to apply the grant; see kubectl describe accessgrant g\n"
        );
    }
}
