//! A model of a hub that accepts writes as an API server does. Open Cluster Management and the
//! agents act on it when the test lets them.

pub(crate) mod delayed;
mod others;

use std::{collections::BTreeMap, time::Duration};

use crds::{
    addon::{self, CLUSTER_LABEL},
    gateway::{self, Identity, ServerSettings},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use kube::core::DynamicObject;
use serde_json::{Map, Value, json};

use crate::{
    guard::Policy,
    key::Key,
    kind::{Kind, ObjectKey},
    names::{DERIVING_ROLE, MANAGER},
    observed::{Installation, Observed, ServerSeen},
    plan::{self, Action, Desired, Part, Plan, Seen},
};

const NAME_LABEL: &str = "kubernetes.io/metadata.name";
const ROLES: &str = include_str!("../../../config/gateway/rbac.yaml");

pub(crate) struct Hub {
    pub(crate) observed: Observed,
    pub(crate) now: Timestamp,
    written: u64,
    /// The manifests of works, because only their hash is observed.
    carried: BTreeMap<ObjectKey, Value>,
    /// What clusters report of the manifests of works, which is not observed as it is either.
    reported: BTreeMap<ObjectKey, Value>,
    /// The names of objects that clusters refuse.
    pub(crate) refused: Vec<String>,
    /// The server's objects in namespaces that the operator does not watch.
    pub(crate) elsewhere: BTreeMap<ObjectKey, DynamicObject>,
    /// When the operator last changed a work, which it does not keep either.
    wanted: BTreeMap<ObjectKey, Timestamp>,
    /// The clusters whose agents authenticate with tokens.
    pub(crate) by_token: Vec<String>,
    /// The clusters that no longer answer.
    pub(crate) away: Vec<String>,
    /// Changes what is applied, as an admission webhook does.
    pub(crate) admission: fn(&ObjectKey, &mut Value),
    /// What of the operator's writes the hub has changed, as it was said.
    pub(crate) changed: Vec<String>,
}

/// A gateway that answers, and does as configured by default.
pub(crate) fn ready() -> ServerSeen {
    ServerSeen::Ready(Some(ServerSettings {
        version: "1".to_owned(),
        identity: Identity::default(),
        inner_authorization: false,
    }))
}

impl Hub {
    pub(crate) fn new(addons: addon::Version) -> Self {
        let mut hub = Self {
            observed: Observed::new(Installation {
                addons,
                namespace: "spokeway-system".to_owned(),
                agent_image: "ghcr.io/spokeway/agent:v1".to_owned(),
                gateway_image: "ghcr.io/spokeway/gateway-server:v1".to_owned(),
                allowed_images: vec!["local:5000/mirror".to_owned()],
                patience: Duration::from_mins(5),
            }),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            written: 0,
            carried: BTreeMap::new(),
            reported: BTreeMap::new(),
            refused: Vec::new(),
            elsewhere: BTreeMap::new(),
            wanted: BTreeMap::new(),
            by_token: Vec::new(),
            away: Vec::new(),
            admission: |_, _| {},
            changed: Vec::new(),
        };
        hub.observed.list_all();
        hub
    }

    /// A hub with the configuration of a gateway that answers.
    pub(crate) fn configured(addons: addon::Version) -> Self {
        let mut hub = Self::new(addons);
        hub.install();
        hub.configure(&json!({}));
        hub.observed.server = ready();
        hub
    }

    /// Adds the admission policies and the roles, as an installation does long before anything else.
    pub(crate) fn install(&mut self) {
        let shipped: Vec<Value> = serde_saphyr::from_multiple(ROLES).unwrap();
        for role in shipped {
            let name = role["metadata"]["name"].as_str().unwrap();
            let key = ObjectKey::global(Kind::ClusterRole, name);
            // The operator watches no other.
            if name == DERIVING_ROLE {
                self.write(&key, &role);
            }
        }
        let kinds = [
            Kind::ValidatingAdmissionPolicy,
            Kind::ValidatingAdmissionPolicyBinding,
        ];
        for policy in Policy::ALL {
            for (kind, shipped) in kinds.into_iter().zip(policy.shipped()) {
                let key = ObjectKey::global(kind, policy.name());
                let created = json!({"creationTimestamp": "2025-12-31T00:00:00Z"});
                let object = json!({"metadata": created, "spec": shipped["spec"]});
                self.write(&key, &object);
            }
        }
    }

    pub(crate) fn configure(&mut self, more: &Value) {
        let mut spec =
            json!({"server": {"deployment": "External", "external": {"caBundle": "Y2E="}}});
        merge(&mut spec, more);
        // A server that somebody else runs is there already.
        let home = ObjectKey::global(Kind::Namespace, "spokeway-system");
        if spec["server"]["deployment"] == "External" && self.observed.object(&home).is_none() {
            self.write(&home, &json!({}));
        }
        let key = ObjectKey::global(Kind::GatewayConfiguration, gateway::SINGLETON);
        self.write(&key, &json!({"spec": spec}));
    }

    pub(crate) fn accept(&mut self, cluster: &str, labels: &Value) {
        self.make_namespace(cluster);
        let key = ObjectKey::global(Kind::ManagedCluster, cluster);
        self.write(
            &key,
            &json!({"metadata": {"labels": labels}, "spec": {"hubAcceptsClient": true}}),
        );
    }

    /// Creates the namespace of a cluster as Open Cluster Management does.
    fn make_namespace(&mut self, cluster: &str) {
        let key = ObjectKey::global(Kind::Namespace, cluster);
        self.write(
            &key,
            &json!({"metadata": {
                "labels": {NAME_LABEL: cluster, CLUSTER_LABEL: cluster},
                "managedFields": managers_of_namespace(),
            }}),
        );
    }

    /// Disconnects a cluster in the way that Open Cluster Management reports it.
    pub(crate) fn disconnect(&mut self, cluster: &str) {
        let unknown = json!({"status": {"conditions": [{
            "type": "ManagedClusterConditionAvailable", "status": "Unknown", "reason": "x", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]}});
        self.write(&ObjectKey::global(Kind::ManagedCluster, cluster), &unknown);
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// Starts the operator again: it lists everything, and knows nothing of what was before.
    pub(crate) fn restart(&mut self) {
        self.observed = self.observed.listed_anew(self.now);
    }

    pub(crate) fn plan(&self, key: &Key) -> Plan {
        plan::by_key(&self.observed, key, self.now)
    }

    pub(crate) fn cluster(&self, cluster: &str) -> Plan {
        self.plan(&Key::Cluster(cluster.to_owned()))
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        keys(&self.observed)
    }

    /// Plans a key and makes its writes. True if there were any.
    pub(crate) fn turn(&mut self, key: &Key) -> bool {
        self.follow_server();
        let plan = self.plan(key);
        for action in &plan.actions {
            self.act(action);
        }
        !plan.actions.is_empty()
    }

    /// Plans the hub until nothing is left to do there, and nothing else.
    pub(crate) fn turn_hub(&mut self) {
        while self.turn(&Key::Hub) {}
    }

    /// Plans until nothing is left to do, while everybody else acts too.
    pub(crate) fn settle(&mut self) {
        for _ in 0..60 {
            let mut busy = false;
            for key in self.keys() {
                busy |= self.turn(&key);
            }
            busy |= self.others_act();
            if !busy {
                return;
            }
        }
        panic!(
            "does not settle: {:?}",
            self.keys()
                .iter()
                .map(|it| self.plan(it))
                .collect::<Vec<_>>()
        );
    }

    pub(crate) fn act(&mut self, action: &Action) {
        match action {
            Action::Apply(desired) => {
                let mut manifest = desired.manifest(self.observed.installation.addons);
                (self.admission)(&desired.key, &mut manifest);
                self.write(&desired.key, &manifest);
                self.learn(action);
            }
            Action::ApplyStatus(desired) => {
                let status = json!({"status": desired.body["status"]});
                self.write(&desired.key, &status);
            }
            Action::Patch {
                object,
                part,
                patch,
            } => self.patch(object, *part, patch),
            Action::Delete { key, uid } => self.delete(key, uid),
            Action::Approve { request, .. } => self.answer(
                request,
                &json!({"conditions": [{"type": "Approved", "status": "True"}]}),
            ),
            Action::Sign { request, signature } => {
                let certificate = crate::apply::certificate_for_tests(signature, self.now);
                let certificate = ByteString(certificate.into_bytes());
                self.answer(request, &json!({"certificate": certificate}));
            }
            Action::Issue { key, issue } => {
                let secret = crate::apply::secret_for_tests(&key.name, issue, self.now);
                let desired = Desired::new(key.clone(), secret);
                let manifest = desired.manifest(self.observed.installation.addons);
                self.observed.forget(key, self.now);
                self.write(key, &manifest);
            }
        }
    }

    /// The operator reads the answer to its write.
    fn learn(&mut self, action: &Action) {
        let key = action.object();
        let Some(object) = self.observed.object(key) else {
            return;
        };
        let answer = serde_json::from_value(self.whole(key, object)).unwrap();
        let Action::Apply(desired) = action else {
            return;
        };
        let place = (&desired.key, Part::Object);
        let field = self.observed.learn(place, &desired.body, &answer);
        let said = field.map(|field| format!("{field} of {key}"));
        self.changed.extend(said);
    }

    /// Writes an object as an API server would.
    pub(crate) fn write(&mut self, key: &ObjectKey, change: &Value) {
        let before = self
            .observed
            .object(key)
            .or_else(|| self.elsewhere.get(key));
        let before = before.cloned();
        let resource = key.kind.resource(self.observed.installation.addons);
        self.written += 1;
        let mut object = match &before {
            Some(object) => serde_json::to_value(object).unwrap(),
            None => json!({"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {
                "name": key.name, "uid": format!("uid-{}", self.written), "generation": 0,
                "creationTimestamp": format!("{:.0}", self.now),
            }}),
        };
        if key.kind.is_namespaced() {
            object["metadata"]["namespace"] = key.namespace.as_str().into();
        }
        let spec = object["spec"].clone();
        merge(&mut object, change);
        if let Some(manifests) = change.pointer("/spec/workload/manifests") {
            self.carried.insert(key.clone(), manifests.clone());
            self.wanted.insert(key.clone(), self.now);
        }
        if let Some(wanted) = self.wanted.get(key) {
            object["metadata"]["managedFields"] = json!([{
                "manager": MANAGER, "operation": "Apply", "time": format!("{wanted:.0}"),
            }]);
        }
        if let Some(reported) = change.pointer("/status/resourceStatus") {
            self.reported.insert(key.clone(), reported.clone());
        } else if let Some(reported) = self.reported.get(key) {
            object["status"]["resourceStatus"] = reported.clone();
        }
        let is_changed = object["spec"] != spec || before.is_none();
        if let Some(manifests) = self.carried.get(key) {
            object["spec"]["workload"]["manifests"] = manifests.clone();
        }
        if is_changed {
            let generation = object["metadata"]["generation"]
                .as_i64()
                .unwrap_or_default();
            object["metadata"]["generation"] = (generation + 1).into();
        }
        object["metadata"]["resourceVersion"] = self.written.to_string().into();
        let object = serde_json::from_value(object).unwrap();
        if key.kind.is_of_server() && key.namespace != self.observed.home() {
            self.elsewhere.insert(key.clone(), object);
        } else {
            self.observed.put(key.kind, object, self.now);
        }
    }

    /// Watches the server's objects where they should be watched.
    fn follow_server(&mut self) {
        let home = self.observed.next_home();
        if home == self.observed.home() {
            return;
        }
        let kinds = Kind::ALL.iter().filter(|kind| kind.is_of_server());
        let known = kinds.flat_map(|kind| self.observed.all(*kind));
        let known = known.map(|(key, object)| (key.clone(), object.clone()));
        self.elsewhere.extend(known);
        self.observed.leave_server(home.clone());
        self.observed.list_all();
        let all = std::mem::take(&mut self.elsewhere).into_iter();
        let (there, elsewhere): (Vec<_>, _) = all.partition(|(key, _)| key.namespace == home);
        self.elsewhere = elsewhere.into_iter().collect();
        for (key, object) in there {
            self.observed.put(key.kind, object, self.now);
        }
    }

    fn patch(&mut self, seen: &Seen, part: Part, patch: &Value) {
        let key = &seen.key;
        let Some(object) = self.observed.object(key).cloned() else {
            return;
        };
        assert_eq!(
            object.metadata.resource_version.as_ref(),
            Some(&seen.resource_version),
            "{key}"
        );
        let mut change = patch.clone();
        if part == Part::Object {
            let finalizers: Vec<String> =
                serde_json::from_value(patch["metadata"]["finalizers"].clone()).unwrap();
            if finalizers.is_empty() && object.metadata.deletion_timestamp.is_some() {
                self.observed.forget(key, self.now);
                return;
            }
            self.replace_finalizers(key, finalizers);
            change["metadata"] = json!({});
        }
        self.write(key, &change);
    }

    fn replace_finalizers(&mut self, key: &ObjectKey, finalizers: Vec<String>) {
        let mut object = self.observed.object(key).unwrap().clone();
        object.metadata.finalizers = Some(finalizers).filter(|it| !it.is_empty());
        // The object keeps the API version that is known already.
        self.observed.forget(key, self.now);
        let object = self.whole(key, &object);
        let object = serde_json::from_value(object).unwrap();
        self.observed.put(key.kind, object, self.now);
    }

    fn delete(&mut self, key: &ObjectKey, uid: &str) {
        let object = self.observed.object(key).unwrap().clone();
        assert_eq!(object.metadata.uid.as_deref(), Some(uid), "{key}");
        if object.metadata.finalizers.is_none_or(|it| it.is_empty()) {
            self.observed.forget(key, self.now);
        } else {
            let now = format!("{:.0}", self.now);
            self.write(key, &json!({"metadata": {"deletionTimestamp": now}}));
        }
    }

    /// Deletes an object as an administrator does.
    pub(crate) fn remove(&mut self, key: &ObjectKey) {
        let uid = self
            .observed
            .object(key)
            .unwrap()
            .metadata
            .uid
            .clone()
            .unwrap();
        self.delete(key, &uid);
    }

    fn answer(&mut self, request: &Seen, status: &Value) {
        let key = request.key.clone();
        let metadata = self.observed.object(&key).unwrap().metadata.clone();
        let judged = json!({"uid": metadata.uid, "resourceVersion": metadata.resource_version});
        assert_eq!(request.metadata(), judged);
        self.write(&key, &json!({"status": status}));
    }

    /// All objects, without the parts that differ between hubs.
    pub(crate) fn portrait(&self) -> Vec<Value> {
        let all = Kind::ALL
            .iter()
            .copied()
            .flat_map(|kind| self.observed.all(kind));
        all.map(|(key, object)| portrait(&self.whole(key, object)))
            .collect()
    }

    /// An object including the parts that the operator does not keep.
    pub(crate) fn whole(&self, key: &ObjectKey, object: &DynamicObject) -> Value {
        let mut object = serde_json::to_value(object).unwrap();
        if let Some(manifests) = self.carried.get(key) {
            object["spec"]["workload"]["manifests"] = manifests.clone();
        }
        object
    }
}

/// The managers of a namespace that Open Cluster Management created.
fn managers_of_namespace() -> Value {
    let fields = [NAME_LABEL, CLUSTER_LABEL].map(|label| (format!("f:{label}"), json!({})));
    let labels = Value::Object(fields.into_iter().collect());
    json!([{
        "manager": "registration", "operation": "Update",
        "fieldsV1": {"f:metadata": {"f:labels": labels}},
    }])
}

/// Everything that is planned.
fn keys(observed: &Observed) -> Vec<Key> {
    let clusters = observed.clusters().into_iter();
    let clusters = clusters.flat_map(|cluster| {
        let cluster = cluster.to_owned();
        [Key::Cluster(cluster.clone()), Key::Access(cluster)]
    });
    let grants = observed.grants.keys().cloned();
    [Key::Hub]
        .into_iter()
        .chain(clusters)
        .chain(grants.map(Key::Grant))
        .chain([Key::Status])
        .collect()
}

fn portrait(value: &Value) -> Value {
    const VARYING: [&str; 16] = [
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "lastTransitionTime",
        "observedGeneration",
        "since",
        "gateway.open-cluster-management.io/applied",
        "managedFields",
        // Keys are random, and so is everything that derives from them.
        "gateway.open-cluster-management.io/signer",
        "data",
        "request",
        "certificate",
        "organizationUnit",
        "organizationUnits",
        "unit",
    ];
    match value {
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .filter(|(name, _)| !VARYING.contains(&name.as_str()));
            kept.map(|(name, value)| (name.clone(), portrait(value)))
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(values) => {
            let mut values: Vec<_> = values.iter().map(portrait).collect();
            values.sort_by_key(|value| value["type"].as_str().unwrap_or_default().to_owned());
            values.into()
        }
        value => value.clone(),
    }
}

/// Merges as server-side apply does: objects by field, conditions by type, finalizers as a set.
fn merge(have: &mut Value, want: &Value) {
    let (Value::Object(have), Value::Object(want)) = (&mut *have, want) else {
        *have = want.clone();
        return;
    };
    for (name, want) in want {
        let have = have.entry(name).or_insert(Value::Null);
        match (name.as_str(), have.as_array_mut(), want.as_array()) {
            ("conditions", Some(have), Some(want)) => {
                for want in want {
                    have.retain(|it| it["type"] != want["type"]);
                    have.push(want.clone());
                }
            }
            ("finalizers", Some(have), Some(want)) => {
                for want in want {
                    if !have.contains(want) {
                        have.push(want.clone());
                    }
                }
            }
            _ => merge(have, want),
        }
    }
}
