//! What replicas tell each other of clusters, as it goes out and comes in.

use std::collections::BTreeMap;

use crds::ClusterName;
use tokio::time::Instant;
use tunnel::ReplicaId;

use super::{Clusters, Decision, History, Sighting, View, Went};

impl Clusters {
    /// What a replica is told that has just come.
    pub(crate) fn history(&self) -> History {
        self.feed.lock().history()
    }

    /// Differs if [`Self::sightings`] differ.
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
        self.feed.lock().fleet.adopt(cluster, decision, now);
    }

    /// A cluster went before this replica came.
    pub(crate) fn hear_gone(&self, went: Went) {
        self.feed.lock().hear_gone(went);
    }

    /// Another replica has told all that went after that revision.
    pub(crate) fn hear_oldest(&self, revision: u64) {
        self.feed.lock().hear_oldest(revision);
    }

    /// A replica is gone.
    pub(crate) fn lose_replica(&self, replica: &ReplicaId) {
        self.feed.lock().fleet.lose(replica);
    }
}
