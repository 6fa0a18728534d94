//! Which clusters take a report of their health, and what is known of them for it.

use std::sync::Arc;

use crds::{ClusterName, cluster_core::ClusterGateway};

use super::Clusters;
use crate::status::Refusal;

/// A cluster whose health somebody reports.
#[derive(Debug)]
pub(crate) struct Reportable {
    /// As it is shown.
    pub(crate) object: Arc<ClusterGateway>,
    pub(crate) keeper: Keeper,
    /// Whether a replica sees the health itself, which is shown then.
    pub(crate) is_seen: bool,
}

/// Where a report is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Keeper {
    /// In the Secret of the manual mode, which had this UID and revision.
    Secret { uid: Option<String>, revision: u64 },
    /// Nowhere: the cluster is derived from its `ManagedCluster`.
    Nobody,
}

impl Clusters {
    /// What is known of a cluster whose health somebody reports.
    pub(crate) fn reportable(&self, name: &ClusterName) -> Result<Reportable, Refusal> {
        let shown = self.shown(name);
        let object = shown.map_err(|unshown| unshown.refusal(name))?;
        let cluster = self.find(name);
        let cluster = cluster.map_err(|absent| absent.refusal(name))?;
        let keeper = if cluster.registered.is_some() {
            Keeper::Nobody
        } else {
            Keeper::Secret {
                uid: cluster.uid().map(str::to_owned),
                revision: cluster.written.revision,
            }
        };
        let feed = self.feed.lock();
        let state = feed.fleet.state(name);
        let is_seen = state.is_some_and(|state| state.health.is_some());
        Ok(Reportable {
            object,
            keeper,
            is_seen,
        })
    }
}

impl Reportable {
    /// Whether the caller means another object, or has not seen the last write of it. What this gateway
    /// has seen meanwhile is no conflict, although it has a revision of its own: otherwise each
    /// attempt to connect could get in the way of a report.
    pub(crate) fn conflicts(&self, uid: Option<&str>, revision: Option<u64>) -> bool {
        let own = self.object.metadata.uid.as_deref();
        let is_other = uid.is_some_and(|uid| Some(uid) != own);
        let written = match &self.keeper {
            Keeper::Secret { revision, .. } => *revision,
            Keeper::Nobody => 0,
        };
        is_other || revision.is_some_and(|seen| seen < written)
    }
}
