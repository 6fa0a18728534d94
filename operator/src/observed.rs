//! The observed state of the hub: the watched objects, what the gateway reports about clusters, and
//! which writes failed. No I/O, no clock.

pub(crate) mod kept;
mod placed;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use crds::{
    addon,
    gateway::{self, ServerSettings},
};
use jiff::{SignedDuration, Timestamp};
use kube::{core::DynamicObject, runtime::watcher::Event};

use self::placed::Placed;
use crate::{
    grant::{Grant, Shipped, is_access_work},
    guard::{Guard, Policy},
    key::Key,
    kind::{Kind, ObjectKey},
    names::CREDENTIALS,
    object::supersedes,
};

/// Everything that plans read.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) installation: Installation,
    objects: BTreeMap<ObjectKey, Arc<DynamicObject>>,
    /// Kinds that were listed at least once.
    listed: BTreeSet<Kind>,
    /// The objects that a list has named so far.
    listing: BTreeMap<Kind, BTreeSet<ObjectKey>>,
    /// What the gateway reports about clusters. `None` until it has answered once.
    pub(crate) gateways: Option<BTreeMap<String, GatewaySeen>>,
    pub(crate) server: ServerSeen,
    configuration: Option<Result<Configuration, String>>,
    /// The grants that can be read, by name.
    pub(crate) grants: BTreeMap<String, Arc<Grant>>,
    /// The works that carry grants.
    pub(crate) shipped: BTreeMap<ObjectKey, Arc<Shipped>>,
    /// The writes that fail at the moment.
    pub(crate) faults: BTreeMap<Key, Fault>,
    /// The clusters that placements have selected.
    pub(crate) placed: Placed,
    /// Whether the admission policies are in force.
    guards: BTreeMap<Policy, Guard>,
}

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    /// The version of the add-on API that the hub serves.
    pub(crate) addons: addon::Version,
    /// The namespace of the operator.
    pub(crate) namespace: String,
    pub(crate) agent_image: String,
    pub(crate) gateway_image: String,
    /// The repositories of other images that the configuration may name.
    pub(crate) allowed_images: Vec<String>,
    /// How long the removal of a cluster waits for its agent.
    pub(crate) patience: Duration,
}

impl Installation {
    /// When a wait that began at `since` ends. `None` if it has ended.
    pub(crate) fn patience_ends(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let patience = SignedDuration::try_from(self.patience);
        let end = since.checked_add(patience.unwrap_or(SignedDuration::MAX));
        end.ok().filter(|end| *end > now)
    }
}

/// A cluster as the gateway reports it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct GatewaySeen {
    pub(crate) is_healthy: bool,
    pub(crate) reason: String,
    /// What the gateway's account may do there beyond impersonating callers. `None` if that is not
    /// known.
    pub(crate) excess: Option<Vec<String>>,
}

/// The gateway server as a probe sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ServerSeen {
    /// It has not been probed.
    Unknown,
    /// It is ready, and these are its settings if it tells them.
    Ready(Option<ServerSettings>),
    /// Why it is not ready, and since when.
    Unready { why: String, since: Timestamp },
}

/// A write that failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) since: Timestamp,
}

/// A `GatewayConfiguration` that was read.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    pub(crate) spec: gateway::GatewayConfigurationSpec,
    pub(crate) generation: i64,
    pub(crate) is_deleting: bool,
    /// When its deletion was asked for.
    pub(crate) deleted: Option<Timestamp>,
}

impl Observed {
    pub(crate) fn new(installation: Installation) -> Self {
        Self {
            installation,
            objects: BTreeMap::new(),
            listed: BTreeSet::new(),
            listing: BTreeMap::new(),
            gateways: None,
            server: ServerSeen::Unknown,
            configuration: None,
            grants: BTreeMap::new(),
            shipped: BTreeMap::new(),
            faults: BTreeMap::new(),
            placed: Placed::default(),
            guards: BTreeMap::new(),
        }
    }

    /// Forgets the server's objects because it moved to another namespace, where they are listed
    /// again.
    pub(crate) fn leave_server(&mut self) {
        self.objects.retain(|key, _| !key.kind.is_of_server());
        self.listed.retain(|kind| !kind.is_of_server());
    }

    /// True once every kind was listed. An object that is not known then does not exist.
    pub(crate) fn is_complete(&self) -> bool {
        Kind::ALL.iter().all(|kind| self.listed.contains(kind))
    }

    /// Takes in what a watch reported, and returns the keys of the objects that changed.
    pub(crate) fn observe(&mut self, kind: Kind, event: Event<DynamicObject>) -> Vec<ObjectKey> {
        match event {
            Event::Init => {
                self.listing.insert(kind, BTreeSet::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                if let Some(listing) = self.listing.get_mut(&kind) {
                    listing.insert(ObjectKey::of(kind, &object));
                }
                self.put(kind, object).into_iter().collect()
            }
            Event::InitDone => {
                self.listed.insert(kind);
                let named = self.listing.remove(&kind).unwrap_or_default();
                let gone: Vec<_> = self
                    .keys_of(kind)
                    .filter(|key| !named.contains(key))
                    .cloned()
                    .collect();
                for key in &gone {
                    self.forget(key);
                }
                gone
            }
            Event::Apply(object) => self.put(kind, object).into_iter().collect(),
            Event::Delete(object) => {
                let key = ObjectKey::of(kind, &object);
                let known = self.object(&key);
                // An object of the same name may have been created since.
                if known.is_none_or(|known| known.metadata.uid != object.metadata.uid) {
                    return Vec::new();
                }
                self.forget(&key);
                vec![key]
            }
        }
    }

    /// Takes in a state of an object, and returns its key if the state is later than the known one.
    pub(crate) fn put(&mut self, kind: Kind, mut object: DynamicObject) -> Option<ObjectKey> {
        let key = ObjectKey::of(kind, &object);
        let known = self.object(&key);
        if known.is_some_and(|known| !supersedes(&object, known)) {
            return None;
        }
        if is_access_work(&key) {
            let shipped = Shipped::read(&object);
            self.shipped.insert(key.clone(), Arc::new(shipped));
        }
        kept::reduce(kind, &mut object);
        self.objects.insert(key.clone(), Arc::new(object));
        self.read(&key);
        Some(key)
    }

    /// True if the object was known.
    pub(crate) fn forget(&mut self, key: &ObjectKey) -> bool {
        let was_there = self.objects.remove(key).is_some();
        self.read(key);
        was_there
    }

    pub(crate) fn object(&self, key: &ObjectKey) -> Option<&DynamicObject> {
        self.objects.get(key).map(Arc::as_ref)
    }

    /// All objects of a kind.
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = (&ObjectKey, &DynamicObject)> {
        let first = ObjectKey::new(kind, "", "");
        let range = self
            .objects
            .range((Bound::Included(first), Bound::Unbounded));
        range
            .take_while(move |(key, _)| key.kind == kind)
            .map(|(key, object)| (key, object.as_ref()))
    }

    /// All objects of a kind in one namespace.
    pub(crate) fn within<'a>(
        &'a self,
        kind: Kind,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a DynamicObject)> {
        let first = ObjectKey::new(kind, namespace, "");
        let range = self
            .objects
            .range((Bound::Included(first), Bound::Unbounded));
        range
            .take_while(move |(key, _)| key.kind == kind && key.namespace == namespace)
            .map(|(key, object)| (key, object.as_ref()))
    }

    fn keys_of(&self, kind: Kind) -> impl Iterator<Item = &ObjectKey> {
        self.all(kind).map(|(key, _)| key)
    }

    /// Every cluster that exists, or still has objects of an add-on.
    pub(crate) fn clusters(&self) -> BTreeSet<&str> {
        let names = self
            .all(Kind::ManagedCluster)
            .map(|(key, _)| key.name.as_str());
        let rows = self.all(Kind::ManagedClusterAddOn);
        let works = self.all(Kind::ManifestWork);
        let left = rows.chain(works).map(|(key, _)| key.namespace.as_str());
        names.chain(left).collect()
    }

    /// The configuration, if it exists and can be read.
    pub(crate) fn configuration(&self) -> Option<&Configuration> {
        self.configuration.as_ref()?.as_ref().ok()
    }

    /// Why an existing configuration cannot be read. It must not be treated as absent: then the
    /// plan would remove everything. While it cannot be read, nothing is planned.
    pub(crate) fn unreadable(&self) -> Option<&str> {
        let fault = self.configuration.as_ref()?.as_ref().err()?;
        Some(fault)
    }

    /// Whether the admission policy is in force.
    pub(crate) fn guard(&self, policy: Policy) -> &Guard {
        self.guards.get(&policy).unwrap_or(&Guard::Missing)
    }

    fn compare_policies(&mut self) {
        let kinds = [
            Kind::ValidatingAdmissionPolicy,
            Kind::ValidatingAdmissionPolicyBinding,
        ];
        let guard = |policy: Policy| {
            let keys = kinds.map(|kind| ObjectKey::global(kind, policy.name()));
            (
                policy,
                Guard::of(policy, keys.each_ref().map(|key| self.object(key))),
            )
        };
        self.guards = Policy::ALL.into_iter().map(guard).collect();
    }

    /// Parses once what the plans of all clusters read from an object.
    fn read(&mut self, changed: &ObjectKey) {
        let object = self.objects.get(changed).map(Arc::as_ref);
        match changed.kind {
            Kind::GatewayConfiguration if changed.name == gateway::SINGLETON => {
                self.configuration = object.map(Configuration::read);
            }
            Kind::PlacementDecision => self.placed.observe(changed, object),
            // A grant that cannot be read grants nothing.
            Kind::AccessGrant => match object.and_then(Grant::read) {
                Some(grant) => drop(self.grants.insert(changed.name.clone(), Arc::new(grant))),
                None => drop(self.grants.remove(&changed.name)),
            },
            Kind::ValidatingAdmissionPolicy | Kind::ValidatingAdmissionPolicyBinding => {
                self.compare_policies();
            }
            Kind::ManifestWork if object.is_none() => drop(self.shipped.remove(changed)),
            _ => {}
        }
    }
}

impl Configuration {
    fn read(object: &DynamicObject) -> Result<Self, String> {
        let raw = object.data.get("spec").cloned().unwrap_or_default();
        let spec: gateway::GatewayConfigurationSpec =
            serde_json::from_value(raw).map_err(|fault| fault.to_string())?;
        // The server reads every Secret there, and so would read the keys of all authorities.
        if spec.server.namespace == CREDENTIALS {
            return Err(format!(
                "spec.server.namespace is {CREDENTIALS}, which is for credentials only; choose another namespace"
            ));
        }
        Ok(Self {
            spec,
            generation: object.metadata.generation.unwrap_or_default(),
            is_deleting: object.metadata.deletion_timestamp.is_some(),
            deleted: object.metadata.deletion_timestamp.as_ref().map(|it| it.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn observed() -> Observed {
        Observed::new(Installation {
            namespace: String::new(),
            addons: addon::Version::V1beta1,
            agent_image: String::new(),
            gateway_image: String::new(),
            allowed_images: Vec::new(),
            patience: Duration::ZERO,
        })
    }

    fn configuration(version: &str, spec: &serde_json::Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "gateway.open-cluster-management.io/v1alpha1",
            "kind": "GatewayConfiguration",
            "metadata": {"name": "default", "uid": "1", "resourceVersion": version},
            "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_not_taken_for_none() {
        let mut observed = observed();
        let kind = Kind::GatewayConfiguration;
        let key = observed.put(kind, configuration("1", &json!({}))).unwrap();
        assert!(observed.configuration().is_some() && observed.unreadable().is_none());
        observed.put(
            kind,
            configuration("2", &json!({"egress": {"type": "Future"}})),
        );
        assert!(observed.configuration().is_none());
        assert!(observed.unreadable().unwrap().contains("Future"));
        observed.forget(&key);
        assert!(observed.configuration().is_none() && observed.unreadable().is_none());
    }

    #[test]
    fn the_server_is_not_where_the_credentials_are() {
        let mut observed = observed();
        let spec = json!({"server": {"namespace": CREDENTIALS}});
        observed.put(Kind::GatewayConfiguration, configuration("1", &spec));
        assert!(observed.configuration().is_none());
        assert!(observed.unreadable().unwrap().contains(CREDENTIALS));
    }

    #[test]
    fn an_older_state_does_not_replace_a_later_one() {
        let mut observed = observed();
        let kind = Kind::GatewayConfiguration;
        observed.put(
            kind,
            configuration("10", &json!({"identity": {"type": "ServiceAccount"}})),
        );
        let key = ObjectKey::global(kind, gateway::SINGLETON);
        for version in ["9", "10"] {
            assert_eq!(observed.put(kind, configuration(version, &json!({}))), None);
        }
        assert_eq!(
            observed.object(&key).unwrap().data["spec"]["identity"]["type"],
            "ServiceAccount"
        );
    }

    #[test]
    fn what_a_new_list_does_not_name_is_gone() {
        let mut observed = observed();
        let kind = Kind::GatewayConfiguration;
        let key = observed.put(kind, configuration("1", &json!({}))).unwrap();
        observed.observe(kind, Event::Init);
        assert!(observed.object(&key).is_some());
        assert_eq!(
            observed.observe(kind, Event::InitDone),
            std::slice::from_ref(&key)
        );
        assert!(observed.object(&key).is_none());
    }

    #[test]
    fn the_end_of_an_object_is_not_that_of_the_next_of_its_name() {
        let mut observed = observed();
        let kind = Kind::GatewayConfiguration;
        let mut next = configuration("5", &json!({}));
        next.metadata.uid = Some("2".to_owned());
        observed.put(kind, configuration("1", &json!({})));
        let key = observed.put(kind, next).unwrap();
        let ended = Event::Delete(configuration("4", &json!({})));
        assert_eq!(observed.observe(kind, ended), []);
        assert!(observed.object(&key).is_some());
    }
}
