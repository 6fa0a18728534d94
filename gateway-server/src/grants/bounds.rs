//! What bounds a grant on a cluster, whatever its status says: that it selects the cluster, and the caps
//! of the configuration. The operator goes by the same rules, but it may be away, and the gateway waits
//! for nobody with what somebody loses. Placements are the operator's alone to read. Pure.

use std::{collections::HashMap, sync::Arc};

use crds::{ClusterName, gateway::Caps};

use super::reading::{Labels, Obstacle, Phase, Reading, State};

static NO_LABELS: Labels = Labels::new();

/// What bounds all grants.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// `None` until the configuration was read.
    pub(super) caps: Option<Caps>,
    /// The labels of the clusters that have any. `None` until all clusters were read.
    pub(super) labels: Option<HashMap<ClusterName, Labels>>,
}

impl Bounds {
    /// Until then nobody can tell what a grant is worth.
    pub(super) fn are_known(&self) -> bool {
        self.caps.is_some() && self.labels.is_some()
    }

    /// The phase of a grant on a cluster, which is `phase` without bounds.
    pub(super) fn phase(&self, reading: &Reading, cluster: &ClusterName, phase: Phase) -> Phase {
        if matches!(phase, Phase::Refused(_) | Phase::Over(_) | Phase::Gone) {
            return phase;
        }
        let labels = self.labels_of(cluster);
        if !reading.selects(cluster, labels) {
            let why = "it does not select the cluster any more";
            return Phase::Over(obstacle(reading, State::Over, why));
        }
        if self
            .caps
            .as_ref()
            .is_some_and(|caps| !caps.allow(&reading.role, labels))
        {
            let why = "BeyondCap: spec.access.caps of the GatewayConfiguration do not allow its role on the cluster";
            return Phase::Refused(obstacle(reading, State::Failed, why));
        }
        phase
    }

    /// False if nobody but the operator can tell whether a grant that was changed from `old` still
    /// selects the cluster: it has lost a placement, or selects by a placement what it selected by name
    /// or label.
    pub(super) fn still_select(&self, old: &Reading, new: &Reading, cluster: &ClusterName) -> bool {
        let labels = self.labels_of(cluster);
        new.selects_itself(cluster, labels)
            || (!old.selects_itself(cluster, labels) && new.has_placements_of(old))
    }

    pub(super) fn labels_of(&self, cluster: &ClusterName) -> &Labels {
        let all = self.labels.as_ref();
        all.and_then(|all| all.get(cluster)).unwrap_or(&NO_LABELS)
    }
}

fn obstacle(reading: &Reading, state: State, why: &str) -> Arc<Obstacle> {
    Arc::new(Obstacle {
        grant: reading.name.clone(),
        state,
        since: None,
        why: why.to_owned(),
    })
}
