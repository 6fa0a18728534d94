//! Clusters between two tunnels: a replica that shuts down asks each agent to attach elsewhere, and the
//! agent comes within moments. Pipes wait for that instead of finding no agent.

use std::{collections::HashMap, time::Duration};

use crds::ClusterName;
use parking_lot::Mutex;
use tokio::time::Instant;

/// An agent that was asked to go elsewhere is there by then, or has a reason not to be.
const LONGEST: Duration = Duration::from_secs(5);

/// When the agents of clusters were last asked to attach elsewhere.
#[derive(Debug, Default)]
pub(super) struct Handovers(Mutex<HashMap<ClusterName, Instant>>);

impl Handovers {
    /// A tunnel of `cluster` was asked to go elsewhere.
    pub(super) fn begin(&self, cluster: &ClusterName) {
        let now = Instant::now();
        let mut begun = self.0.lock();
        if begun.len() == begun.capacity() {
            begun.retain(|_, begun| now - *begun < LONGEST);
        }
        begun.insert(cluster.clone(), now);
    }

    /// Until when its agent may be on its way.
    pub(super) fn until(&self, cluster: &ClusterName) -> Option<Instant> {
        let until = *self.0.lock().get(cluster)? + LONGEST;
        (Instant::now() < until).then_some(until)
    }
}
