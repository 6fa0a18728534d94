//! The observed state of the hub: the watched objects, what the gateway reports about clusters, and
//! which writes failed. No I/O; takes `now`.

mod admitted;
mod configuration;
mod home;
pub(crate) mod kept;
pub(crate) mod placed;
mod tombstones;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, OnceLock},
    time::Duration,
};

use crds::{
    addon,
    gateway::{self, ServerSettings},
};
use jiff::{SignedDuration, Timestamp};
use kube::{core::DynamicObject, runtime::watcher::Event};
use serde_json::Value;

use self::admitted::Admitted;
pub(crate) use self::configuration::Configuration;
use self::placed::Placed;
pub(crate) use self::tombstones::{CallId, Tombstones};
use crate::{
    grant::{Grant, Shipped, is_access_work},
    guard::{Guard, Policy},
    key::Key,
    kind::{Kind, ObjectKey},
    matching::{Path, differs},
    names::GATEWAY,
    object::{Part, is_ours, supersedes},
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
    /// The namespace in which the server's objects are watched.
    home: String,
    /// The earlier namespace of the server, once nothing is left there.
    swept: Option<String>,
    /// Whether clusters that the configuration no longer selects stay, once that was asked for. It
    /// takes a look at all clusters.
    removals_held: OnceLock<bool>,
    /// The calls in progress, and what ended meanwhile.
    pub(crate) tombstones: Tombstones,
    /// What the hub makes of the operator's writes.
    admitted: Admitted,
    /// The objects that somebody else changes back.
    disputed: BTreeSet<ObjectKey>,
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
    /// The object that was written.
    pub(crate) object: ObjectKey,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) since: Timestamp,
}

impl Observed {
    pub(crate) fn new(installation: Installation) -> Self {
        Self {
            home: installation.namespace.clone(),
            swept: None,
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
            removals_held: OnceLock::new(),
            tombstones: Tombstones::default(),
            admitted: Admitted::default(),
            disputed: BTreeSet::new(),
        }
    }

    /// Every kind counts as listed.
    #[cfg(test)]
    pub(crate) fn list_all(&mut self) {
        self.listed.extend(Kind::ALL);
    }

    /// True once every kind was listed. An object that is not known then does not exist.
    pub(crate) fn is_complete(&self) -> bool {
        Kind::ALL.iter().all(|kind| self.listed.contains(kind))
    }

    /// Takes in what a watch reported, and returns the keys of the objects that changed.
    pub(crate) fn observe(
        &mut self,
        kind: Kind,
        event: Event<DynamicObject>,
        now: Timestamp,
    ) -> Vec<ObjectKey> {
        match event {
            Event::Init => {
                self.listing.insert(kind, BTreeSet::new());
                Vec::new()
            }
            Event::InitApply(object) => {
                if let Some(listing) = self.listing.get_mut(&kind) {
                    listing.insert(ObjectKey::of(kind, &object));
                }
                self.put(kind, object, now).into_iter().collect()
            }
            Event::InitDone => {
                self.listed.insert(kind);
                if kind == Kind::PlacementDecision {
                    self.placed.is_listed(now);
                }
                let named = self.listing.remove(&kind).unwrap_or_default();
                let gone: Vec<_> = self
                    .keys_of(kind)
                    .filter(|key| !named.contains(key))
                    .cloned()
                    .collect();
                for key in &gone {
                    self.forget(key, now);
                }
                gone
            }
            Event::Apply(object) => self.put(kind, object, now).into_iter().collect(),
            Event::Delete(object) => {
                let key = ObjectKey::of(kind, &object);
                let known = self.object(&key);
                // An object of the same name may have been created since.
                if known.is_none_or(|known| known.metadata.uid != object.metadata.uid) {
                    return Vec::new();
                }
                self.forget(&key, now);
                vec![key]
            }
        }
    }

    /// Takes in the state of an object that a write was answered with, which may be gone since.
    pub(crate) fn answer(
        &mut self,
        kind: Kind,
        object: DynamicObject,
        now: Timestamp,
    ) -> Option<ObjectKey> {
        let key = ObjectKey::of(kind, &object);
        let is_gone = self.tombstones.has(&key, object.metadata.uid.as_deref());
        if is_gone {
            return None;
        }
        self.keep(key, object, now)
    }

    /// Takes in what a write of these fields was answered with. Returns the first field that the hub
    /// changed in it, if this is news.
    pub(crate) fn learn(
        &mut self,
        place: (&ObjectKey, Part),
        wanted: &Value,
        answer: &DynamicObject,
    ) -> Option<Path> {
        self.admitted.learn(place, wanted, answer)
    }

    /// True if nothing is left to write: the object has these fields, or has them as the hub stored
    /// them when they were written.
    pub(crate) fn is_written(
        &self,
        place: (&ObjectKey, Part),
        wanted: &Value,
        have: &DynamicObject,
    ) -> bool {
        differs(have, wanted).is_none() || self.admitted.is(place, wanted, have)
    }

    /// From now on it is kept who manages the fields of these objects.
    pub(crate) fn dispute(&mut self, keys: impl IntoIterator<Item = ObjectKey>) {
        self.disputed.extend(keys);
    }

    /// Ends this for objects about which there is no dispute any more.
    pub(crate) fn end_disputes(&mut self, lasts: impl Fn(&ObjectKey) -> bool) {
        self.disputed.retain(|key| lasts(key));
    }

    /// A write was answered with that there is no object of this uid. True if it was known.
    pub(crate) fn ended(&mut self, key: &ObjectKey, uid: &str, now: Timestamp) -> bool {
        self.tombstones.bury(key, Some(uid));
        let known = self.object(key);
        known.is_some_and(|known| known.metadata.uid.as_deref() == Some(uid))
            && self.forget(key, now)
    }

    /// Takes in a state of an object that a watch reports, and returns its key if the state is later
    /// than the known one.
    pub(crate) fn put(
        &mut self,
        kind: Kind,
        object: DynamicObject,
        now: Timestamp,
    ) -> Option<ObjectKey> {
        let key = ObjectKey::of(kind, &object);
        self.tombstones
            .unearth(&key, object.metadata.uid.as_deref());
        self.keep(key, object, now)
    }

    fn keep(
        &mut self,
        key: ObjectKey,
        mut object: DynamicObject,
        now: Timestamp,
    ) -> Option<ObjectKey> {
        let known = self.objects.get(&key);
        if known.is_some_and(|known| !supersedes(&object, known)) {
            return None;
        }
        if let Some(known) = known.filter(|it| it.metadata.uid != object.metadata.uid) {
            self.tombstones.bury(&key, known.metadata.uid.as_deref());
        }
        if is_access_work(&key) {
            let shipped = Shipped::read(&object);
            self.shipped.insert(key.clone(), Arc::new(shipped));
        }
        kept::reduce(key.kind, &mut object, self.disputed.contains(&key));
        if changes_selection(&key, self.object(&key), Some(&object)) {
            self.removals_held = OnceLock::new();
        }
        self.objects.insert(key.clone(), Arc::new(object));
        self.read(&key, now);
        Some(key)
    }

    /// What a process knows that starts now and lists all of it.
    #[cfg(test)]
    pub(crate) fn listed_anew(&self, now: Timestamp) -> Self {
        let mut anew = Self {
            placed: Placed::default(),
            swept: None,
            admitted: Admitted::default(),
            ..self.clone()
        };
        anew.placed.is_listed(now);
        for key in self.objects.keys() {
            anew.read(key, now);
        }
        anew
    }

    /// True if the object was known.
    pub(crate) fn forget(&mut self, key: &ObjectKey, now: Timestamp) -> bool {
        let known = self.objects.remove(key);
        self.admitted.forget(key);
        if let Some(known) = &known {
            self.tombstones.bury(key, known.metadata.uid.as_deref());
            if changes_selection(key, Some(known.as_ref()), None) {
                self.removals_held = OnceLock::new();
            }
        }
        self.read(key, now);
        known.is_some()
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

    /// The works that carry grants to a cluster.
    pub(crate) fn shipped_to<'a>(
        &'a self,
        cluster: &'a str,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a Shipped)> {
        let first = ObjectKey::new(Kind::ManifestWork, cluster, "");
        self.shipped
            .range(first..)
            .take_while(move |(key, _)| key.namespace == cluster)
            .map(|(key, shipped)| (key, shipped.as_ref()))
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

    /// Whether clusters that the configuration no longer selects stay.
    pub(crate) fn removals_held(&self, ask: impl FnOnce(&Self) -> bool) -> bool {
        *self.removals_held.get_or_init(|| ask(self))
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
    fn read(&mut self, changed: &ObjectKey, now: Timestamp) {
        let object = self.objects.get(changed).map(Arc::as_ref);
        match changed.kind {
            Kind::GatewayConfiguration if changed.name == gateway::SINGLETON => {
                self.configuration = object.map(Configuration::read);
                let placements = self
                    .configuration()
                    .map(|it| it.spec.clusters.placements.clone());
                if let Some(placements) = placements {
                    self.placed.name(&placements, now);
                }
            }
            Kind::PlacementDecision => self.placed.observe(changed, object, now),
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

/// True if a change may concern which clusters are selected or enrolled.
fn changes_selection(
    key: &ObjectKey,
    before: Option<&DynamicObject>,
    after: Option<&DynamicObject>,
) -> bool {
    let said = |object: Option<&DynamicObject>| {
        object.map(|it| {
            let metadata = &it.metadata;
            let leaves = metadata.deletion_timestamp.is_some();
            let words = (metadata.labels.clone(), metadata.annotations.clone());
            (leaves, words, it.data.get("spec").cloned())
        })
    };
    match key.kind {
        Kind::GatewayConfiguration | Kind::PlacementDecision => true,
        Kind::ManagedCluster => said(before) != said(after),
        Kind::ManagedClusterAddOn | Kind::ClusterManagementAddOn if key.name == GATEWAY => {
            before.map(is_ours) != after.map(is_ours)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use serde_json::json;

    use super::*;
    use crate::names::CREDENTIALS;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

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

    fn configuration(version: &str, spec: &Value) -> DynamicObject {
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
        let key = observed
            .put(kind, configuration("1", &json!({})), NOW)
            .unwrap();
        assert!(observed.configuration().is_some() && observed.unreadable().is_none());
        observed.put(
            kind,
            configuration("2", &json!({"egress": {"type": "Future"}})),
            NOW,
        );
        assert!(observed.configuration().is_none());
        assert!(observed.unreadable().unwrap().contains("Future"));
        observed.forget(&key, NOW);
        assert!(observed.configuration().is_none() && observed.unreadable().is_none());
    }

    #[test]
    fn an_invalid_selector_is_not_taken_for_one_that_selects_nothing() {
        let selector = json!({"matchExpressions": [{"key": "env", "operator": "exists"}]});
        for (spec, place) in [
            (
                json!({"clusters": {"selector": selector}}),
                "spec.clusters.selector.matchExpressions[0].operator",
            ),
            (
                json!({"access": {"caps": [{}, {"selector": selector}]}}),
                "spec.access.caps[1].selector.",
            ),
        ] {
            let mut observed = observed();
            observed.put(Kind::GatewayConfiguration, configuration("1", &spec), NOW);
            assert!(observed.configuration().is_none());
            let fault = observed.unreadable().unwrap();
            assert!(fault.starts_with(place), "{fault}");
            // Whoever wants to be rid of it need not correct it first.
            let mut deleted = configuration("2", &spec);
            deleted.metadata.deletion_timestamp = Some(Time(NOW));
            observed.put(Kind::GatewayConfiguration, deleted, NOW);
            assert!(observed.configuration().unwrap().is_deleting);
        }
    }

    #[test]
    fn the_server_is_not_where_the_credentials_are() {
        let mut observed = observed();
        let spec = json!({"server": {"namespace": CREDENTIALS}});
        observed.put(Kind::GatewayConfiguration, configuration("1", &spec), NOW);
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
            NOW,
        );
        let key = ObjectKey::global(kind, gateway::SINGLETON);
        for version in ["9", "10"] {
            let older = configuration(version, &json!({}));
            assert_eq!(observed.put(kind, older, NOW), None);
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
        let key = observed
            .put(kind, configuration("1", &json!({})), NOW)
            .unwrap();
        observed.observe(kind, Event::Init, NOW);
        assert!(observed.object(&key).is_some());
        assert_eq!(
            observed.observe(kind, Event::InitDone, NOW),
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
        observed.put(kind, configuration("1", &json!({})), NOW);
        let key = observed.put(kind, next, NOW).unwrap();
        let ended = Event::Delete(configuration("4", &json!({})));
        assert_eq!(observed.observe(kind, ended, NOW), []);
        assert!(observed.object(&key).is_some());
    }
}
