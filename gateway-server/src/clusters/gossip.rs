//! What replicas tell each other about clusters: what this one sends, and what it takes in.

use std::collections::BTreeMap;

use crds::ClusterName;
use tokio::time::Instant;
use tunnel::ReplicaId;

use super::{Clusters, Decision, History, Sighting, View, Went};

impl Clusters {
    /// What a replica that has just started is told first.
    pub(crate) fn history(&self) -> History {
        self.feed.lock().history()
    }

    /// A number that changes whenever [`Self::sightings`] change.
    pub(crate) fn sightings_change(&self) -> u64 {
        self.feed.lock().fleet.changes()
    }

    /// What this replica sees of each cluster, and what is shown of it.
    pub(crate) fn sightings(&self) -> BTreeMap<ClusterName, Sighting> {
        self.feed.lock().fleet.sightings()
    }

    /// Another replica sees this of a cluster.
    pub(crate) fn hear_view(&self, replica: &ReplicaId, cluster: ClusterName, view: View) {
        self.feed.lock().fleet.hear(replica, cluster, view);
    }

    /// Another replica has decided what is shown of a cluster.
    pub(crate) fn hear_decision(&self, cluster: ClusterName, decision: Decision) {
        let now = Instant::now();
        self.feed.lock().adopt(cluster, decision, now);
    }

    /// Another replica says that a cluster was removed.
    pub(crate) fn hear_gone(&self, went: Went) {
        self.feed.lock().hear_gone(went);
    }

    /// Another replica has reported all clusters that were removed after that revision.
    pub(crate) fn hear_oldest(&self, revision: u64) {
        self.feed.lock().hear_oldest(revision);
    }

    /// The link to another replica has ended.
    pub(crate) fn lose_replica(&self, replica: &ReplicaId) {
        self.feed.lock().fleet.lose(replica);
    }
}
