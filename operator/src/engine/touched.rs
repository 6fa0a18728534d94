//! What changes wake: each object's concern, and the configuration's, which is everybody's.

use crds::gateway::{GatewayConfigurationStatus, SINGLETON, ServerDeployment};
use jiff::Timestamp;
use tracing::warn;

use super::{Engine, STATUS_PAUSE};
use crate::{
    concern::{self, Clusters},
    kind::{Kind, ObjectKey},
    observed::{Observed, ServerSeen, part},
    probe::Target,
    queue::Key,
};

/// Which configuration, as far as plans of clusters go: its status is no part of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Revision {
    uid: Option<String>,
    generation: Option<i64>,
    is_deleting: bool,
}

impl Revision {
    fn of(observed: &Observed) -> Self {
        let object = observed.object(&singleton());
        object.map_or_else(Self::default, |object| Self {
            uid: object.metadata.uid.clone(),
            generation: object.metadata.generation,
            is_deleting: object.metadata.deletion_timestamp.is_some(),
        })
    }
}

impl Engine {
    /// What an object concerns is to be planned.
    pub(super) fn touch(&mut self, key: &ObjectKey) {
        if key.kind == Kind::GatewayConfiguration && !self.is_configured_anew() {
            // What we write ourselves is in its status.
            let now = (self.clock)();
            self.queue.touch(&Key::Hub, now);
            self.touch_status(now);
            return;
        }
        let now = (self.clock)();
        let concern = concern::of(key);
        // Without a configuration the hub's things go after the clusters'.
        let is_wanted = self
            .observed
            .configuration()
            .is_some_and(|it| !it.is_deleting);
        if concern.hub || !is_wanted {
            self.queue.touch(&Key::Hub, now);
        }
        match concern.clusters {
            Clusters::None => {}
            Clusters::One(cluster) => self.queue.touch(&Key::Cluster(cluster.to_owned()), now),
            Clusters::All => self.touch_clusters(now),
        }
        self.touch_status(now);
    }

    pub(super) fn touch_all(&mut self) {
        let now = (self.clock)();
        self.queue.touch(&Key::Hub, now);
        self.touch_clusters(now);
        self.touch_status(now);
    }

    pub(super) fn touch_status(&mut self, now: Timestamp) {
        self.queue.touch(&Key::Status, now + STATUS_PAUSE);
    }

    fn touch_clusters(&mut self, now: Timestamp) {
        for cluster in self.observed.clusters() {
            self.queue.touch(&Key::Cluster(cluster.to_owned()), now);
        }
    }

    /// Takes note of the configuration; true where it asks for something else than before.
    fn is_configured_anew(&mut self) -> bool {
        let object = self.observed.object(&singleton());
        let status = object.and_then(|it| part::<GatewayConfigurationStatus>(it, "status"));
        self.metrics.count(status.unwrap_or_default().clusters);
        let revision = Revision::of(&self.observed);
        if revision == self.configured {
            return false;
        }
        self.configured = revision;
        self.aim();
        true
    }

    /// Tells the probe which server to ask.
    pub(super) fn aim(&mut self) {
        if let Some(fault) = self.observed.unreadable() {
            warn!(
                fault,
                "the GatewayConfiguration cannot be read; everything stays as it is"
            );
            return;
        }
        let configuration = self.observed.configuration();
        let target = configuration.and_then(|configuration| {
            let server = &configuration.spec.server;
            let external = server.external.as_ref()?;
            (server.deployment == ServerDeployment::External).then(|| Target {
                namespace: server.namespace.clone(),
                server: external.clone(),
            })
        });
        let changed = self.wires.target.send_if_modified(|known| {
            let changed = *known != target;
            *known = target;
            changed
        });
        if changed {
            self.observed.server = ServerSeen::Unknown;
        }
    }
}

fn singleton() -> ObjectKey {
    ObjectKey::global(Kind::GatewayConfiguration, SINGLETON)
}
