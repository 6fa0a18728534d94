//! Queues the keys that a change concerns, and after every change the configuration's status.

use crds::gateway::{CONFIRM_REMOVAL, GatewayConfigurationStatus, SINGLETON, ServerDeployment};
use jiff::Timestamp;
use kube::core::DynamicObject;
use tracing::warn;

use super::{Engine, GRANT_PAUSE, STATUS_PAUSE};
use crate::{
    engine::concern::{self, Clusters},
    key::Key,
    kind::{Kind, ObjectKey},
    object::part,
    observe::probe::Target,
    observed::{Observed, ServerSeen},
    plan::access,
};

/// The revision of an object that plans of clusters depend on. It does not include the status.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Revision {
    uid: Option<String>,
    generation: Option<i64>,
    is_deleting: bool,
    /// The confirmation of a removal.
    confirmed: Option<String>,
}

impl Revision {
    fn of(observed: &Observed) -> Self {
        let object = observed.object(&singleton());
        object.map_or_else(Self::default, Self::of_object)
    }

    fn of_object(object: &DynamicObject) -> Self {
        Self {
            uid: object.metadata.uid.clone(),
            generation: object.metadata.generation,
            is_deleting: object.metadata.deletion_timestamp.is_some(),
            confirmed: object
                .metadata
                .annotations
                .as_ref()
                .and_then(|all| all.get(CONFIRM_REMOVAL).cloned()),
        }
    }
}

impl Engine {
    /// Queues the keys that a change of this object concerns, which a watch has reported.
    pub(super) fn touch_changed(&mut self, key: &ObjectKey) {
        let now = (self.clock)();
        let failed = self.observed.faults.iter();
        let failed = failed.filter(|(_, fault)| fault.object == *key);
        let failed: Vec<_> = failed.map(|(failed, _)| failed.clone()).collect();
        for failed in failed {
            self.queue.forgive(&failed, now);
        }
        self.touch(key);
    }

    /// Queues the keys that a change of this object concerns.
    pub(super) fn touch(&mut self, key: &ObjectKey) {
        if key.kind == Kind::GatewayConfiguration && !self.is_configured_anew() {
            // The configuration's status is what we write ourselves.
            let now = (self.clock)();
            self.queue.touch(&Key::Hub, now);
            self.touch_status(now);
            return;
        }
        let now = (self.clock)();
        if key.kind == Kind::AccessGrant {
            self.touch_grant(&key.name, now);
            return;
        }
        let concern = concern::of(key);
        // Without a configuration the hub's objects are removed after those of the clusters.
        let is_wanted = self
            .observed
            .configuration()
            .is_some_and(|it| !it.is_deleting);
        if concern.hub || !is_wanted {
            self.queue.touch(&Key::Hub, now);
        }
        match concern.clusters {
            Clusters::None => {}
            Clusters::One(cluster) => {
                self.queue.touch(&Key::Cluster(cluster.to_owned()), now);
                if access::concerns(key) {
                    self.queue.touch(&Key::Access(cluster.to_owned()), now);
                    self.touch_grants_of(cluster, now);
                }
            }
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
            self.queue.touch(&Key::Access(cluster.to_owned()), now);
        }
        for grant in self.observed.grants.keys() {
            self.queue.touch(&Key::Grant(grant.clone()), now);
        }
    }

    /// Queues a grant's status, and the clusters that the grant selects or selected if its spec has
    /// changed.
    fn touch_grant(&mut self, name: &str, now: Timestamp) {
        self.queue.touch(&Key::Grant(name.to_owned()), now);
        let revision = self
            .observed
            .object(&ObjectKey::global(Kind::AccessGrant, name))
            .map(Revision::of_object);
        if self.granted.get(name) == revision.as_ref() {
            return;
        }
        for cluster in access::clusters_of(&self.observed, name) {
            self.queue.touch(&Key::Access(cluster), now);
        }
        match revision {
            Some(revision) => drop(self.granted.insert(name.to_owned(), revision)),
            None => drop(self.granted.remove(name)),
        }
    }

    /// Queues the statuses of the grants on a cluster, with a pause so that they include more
    /// changes.
    pub(super) fn touch_grants_of(&mut self, cluster: &str, now: Timestamp) {
        for grant in access::grants_of(&self.observed, cluster) {
            self.queue.touch(&Key::Grant(grant), now + GRANT_PAUSE);
        }
    }

    /// Remembers the configuration. True if its spec has changed.
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
                "cannot read the GatewayConfiguration; nothing is changed until it is corrected"
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
