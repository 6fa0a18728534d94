//! Grants from their creation until their last right is removed.

mod ending;
mod reports;

use crds::{
    addon::Version,
    gateway::{AccessGrantStatus, GrantState, Identity, IdentityType, REMOVING, ServerSettings},
};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::model::Hub;
use crate::{
    key::Key,
    kind::{Kind, ObjectKey},
    object::part,
    observed::ServerSeen,
    plan::{Action, Plan},
};

fn hub(clusters: &[&str]) -> Hub {
    let mut hub = Hub::configured(Version::V1beta1);
    for cluster in clusters {
        hub.accept(cluster, &json!({"env": "test"}));
    }
    hub
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::global(Kind::AccessGrant, name)
}

fn grant(hub: &mut Hub, name: &str, more: &Value) {
    let mut spec = json!({
        "clusters": {"selector": {}},
        "subjects": [{"kind": "User", "name": "alice"}],
        "role": {"clusterRole": "view"},
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    hub.write(&key(name), &json!({"spec": spec}));
}

fn status(hub: &Hub, name: &str) -> AccessGrantStatus {
    let object = hub.observed.object(&key(name)).unwrap();
    part(object, "status").unwrap_or_default()
}

/// Each cluster with its state and reason.
fn states(hub: &Hub, name: &str) -> Vec<(String, GrantState, String)> {
    let states = status(hub, name).cluster_states.into_iter();
    states.map(|it| (it.name, it.state, it.reason)).collect()
}

fn reason(hub: &Hub, name: &str) -> String {
    let conditions = status(hub, name).conditions;
    conditions[0].reason.clone()
}

/// The manifests of grants that a cluster has.
fn manifests(hub: &Hub, cluster: &str) -> Vec<Value> {
    let works = hub.observed.within(Kind::ManifestWork, cluster);
    let works = works.filter(|(key, _)| key.name.starts_with("spokeway-access-"));
    let manifests = works.flat_map(|(key, work)| {
        let work = hub.whole(key, work);
        let manifests = &work["spec"]["workload"]["manifests"];
        manifests.as_array().cloned().unwrap_or_default()
    });
    manifests.collect()
}

fn bindings(hub: &Hub, cluster: &str) -> Vec<String> {
    let all = manifests(hub, cluster).into_iter();
    let all = all.filter(|it| it["roleRef"]["name"] != "spokeway:gateway-impersonation");
    let all = all.filter(|it| {
        it["kind"]
            .as_str()
            .is_some_and(|kind| kind.ends_with("Binding"))
    });
    all.map(|it| it["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// kubectl shows a null as <no value>.
#[test]
fn no_status_has_a_field_without_a_value() {
    fn nulls(path: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Null => found.push(path.to_owned()),
            Value::Object(fields) => {
                for (name, value) in fields {
                    nulls(&format!("{path}.{name}"), value, found);
                }
            }
            Value::Array(all) => {
                for (at, value) in all.iter().enumerate() {
                    nulls(&format!("{path}[{at}]"), value, found);
                }
            }
            _ => {}
        }
    }
    let mut hub = hub(&["managed1"]);
    grant(&mut hub, "lasting", &json!({}));
    grant(&mut hub, "ending", &json!({"expiresAfter": "8h"}));
    hub.settle();
    let mut found = Vec::new();
    for kind in [Kind::AccessGrant, Kind::GatewayConfiguration] {
        for (key, object) in hub.observed.all(kind) {
            nulls(&key.to_string(), &object.data["status"], &mut found);
        }
    }
    assert_eq!(found, Vec::<String>::new());
    assert!(status(&hub, "ending").expires_at.is_some());
}

#[test]
fn what_a_cluster_holds_of_its_grants() {
    let mut hub = hub(&["managed1"]);
    grant(
        &mut hub,
        "viewers",
        &json!({"subjects": [
            {"kind": "User", "name": "alice"}, {"kind": "Group", "name": "system:masters"},
            {"kind": "ServiceAccount", "namespace": "ci", "name": "bot"}, {"kind": "Gateway"},
        ]}),
    );
    grant(
        &mut hub,
        "shop",
        &json!({
            "subjects": [{"kind": "Group", "name": "shop"}],
            "role": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
            "namespaces": {"names": ["shop", "till"], "create": true},
        }),
    );
    hub.settle();
    let works = hub.observed.within(Kind::ManifestWork, "managed1");
    let works = works.filter(|(key, _)| key.name.starts_with("spokeway-access-"));
    let works: Vec<_> = works
        .map(|(key, work)| hub.whole(key, work)["spec"].clone())
        .collect();
    assert_eq!(works.len(), 1);
    insta::assert_json_snapshot!(works);
    assert_eq!(reason(&hub, "shop"), "Applied");
    let applied = ("managed1".to_owned(), GrantState::Applied, String::new());
    assert_eq!(states(&hub, "viewers"), [applied]);
}

#[test]
fn a_grant_is_pending_until_its_cluster_has_it_and_says_why() {
    let mut hub = hub(&["managed1", "managed2"]);
    hub.settle();
    hub.away.push("managed2".to_owned());
    grant(
        &mut hub,
        "g",
        &json!({"clusters": {"names": ["managed1", "managed2", "nowhere"]}}),
    );
    hub.settle();
    let before = status(&hub, "g");
    assert_eq!(before.clusters.applied, 1);
    assert_eq!(before.clusters.pending, 2);
    let said: Vec<_> = states(&hub, "g")
        .into_iter()
        .map(|(name, _, why)| (name, why))
        .collect();
    let wanted = [
        ("managed1", ""),
        ("managed2", "Shipping"),
        ("nowhere", "NoSuchCluster"),
    ];
    assert_eq!(
        said,
        wanted.map(|(name, why)| (name.to_owned(), why.to_owned()))
    );

    hub.disconnect("managed2");
    hub.settle();
    let state = &status(&hub, "g").cluster_states[1];
    assert_eq!(state.reason, "Unreachable");
    let wanted = "managed2 has not been connected since 2026-01-01T00:00:00Z; the grant is applied when the cluster reconnects";
    assert_eq!(state.message, wanted);
}

#[test]
fn what_a_cluster_refuses_is_said_in_its_words() {
    let mut hub = hub(&["managed1"]);
    grant(
        &mut hub,
        "g",
        &json!({"namespaces": {"names": ["missing"]}}),
    );
    hub.settle();
    let work = ObjectKey::new(Kind::ManifestWork, "managed1", "spokeway-access-0");
    let ordinal = manifests(&hub, "managed1")
        .iter()
        .position(|it| it["kind"] == "RoleBinding");
    hub.write(&work, &json!({"status": {"resourceStatus": {"manifests": [{
        "resourceMeta": {"ordinal": ordinal},
        "conditions": [{
            "type": "Applied", "status": "False", "reason": "AppliedManifestFailed",
            "message": "namespaces \"missing\" not found", "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
    }]}}}));
    hub.settle();
    let state = &status(&hub, "g").cluster_states[0];
    assert_eq!(
        (state.state, state.reason.as_str()),
        (GrantState::Failed, "Refused")
    );
    assert!(state.message.contains("\"missing\" not found"), "{state:?}");
}

#[test]
fn a_role_that_is_changed_comes_by_a_new_binding() {
    let mut hub = hub(&["managed1"]);
    grant(&mut hub, "g", &json!({}));
    hub.settle();
    let before = bindings(&hub, "managed1");
    grant(
        &mut hub,
        "g",
        &json!({"subjects": [{"kind": "User", "name": "bob"}]}),
    );
    hub.settle();
    assert_eq!(bindings(&hub, "managed1"), before);
    grant(&mut hub, "g", &json!({"role": {"clusterRole": "edit"}}));
    hub.settle();
    let after = bindings(&hub, "managed1");
    assert!(after.len() == 1 && after != before, "{after:?}");

    // A new grant of the same name is a different grant.
    hub.remove(&key("g"));
    hub.settle();
    assert!(hub.observed.object(&key("g")).is_none());
    assert_eq!(manifests(&hub, "managed1"), [] as [Value; 0]);
    grant(&mut hub, "g", &json!({"role": {"clusterRole": "edit"}}));
    hub.settle();
    assert_ne!(bindings(&hub, "managed1"), after);
}

#[test]
fn caps_and_sets_bound_what_is_granted() {
    let mut hub = hub(&["managed1", "managed2"]);
    let caps = json!({"access": {"caps": [
        {"clusterRoles": ["view"]},
        {"selector": {"matchLabels": {"env": "dev"}}, "clusterRoles": ["cluster-admin"], "rules": true},
    ]}});
    hub.configure(&caps);
    hub.accept("managed2", &json!({"env": "dev"}));
    grant(
        &mut hub,
        "admins",
        &json!({"role": {"clusterRole": "cluster-admin"}}),
    );
    grant(&mut hub, "viewers", &json!({}));
    hub.settle();
    let said = states(&hub, "admins");
    assert_eq!(
        (said[0].1, said[0].2.as_str()),
        (GrantState::Failed, "BeyondCap")
    );
    assert_eq!(said[1].1, GrantState::Applied);
    assert_eq!(bindings(&hub, "managed1").len(), 1);
    assert_eq!(bindings(&hub, "managed2").len(), 2);

    // A new cap also removes what was granted before.
    hub.configure(&json!({"access": {"caps": [{"clusterRoles": ["edit"]}]}}));
    hub.settle();
    assert_eq!(manifests(&hub, "managed2"), [] as [Value; 0]);
}

#[test]
fn a_placement_counts_as_far_as_its_namespace_is_bound_to_the_clusters_set() {
    let mut hub = hub(&["managed1"]);
    let placements = json!({"clusters": {"placements": [{"namespace": "team", "name": "all"}]}});
    grant(&mut hub, "g", &placements);
    let decision = ObjectKey::new(Kind::PlacementDecision, "team", "all-1");
    hub.write(
        &decision,
        &json!({
            "metadata": {"labels": {"cluster.open-cluster-management.io/placement": "all"}},
            "status": {"decisions": [{"clusterName": "managed1", "reason": ""}]},
        }),
    );
    hub.settle();
    assert_eq!(reason(&hub, "g"), "NoClusters");
    let set = ObjectKey::global(Kind::ManagedClusterSet, "tests");
    hub.write(
        &set,
        &json!({"spec": {"clusterSelector": {
            "selectorType": "LabelSelector", "labelSelector": {"matchLabels": {"env": "test"}},
        }}}),
    );
    let binding = ObjectKey::new(Kind::ManagedClusterSetBinding, "team", "tests");
    hub.write(&binding, &json!({"spec": {"clusterSet": "tests"}}));
    hub.settle();
    assert_eq!(reason(&hub, "g"), "NoClusters");
    hub.write(
        &binding,
        &json!({"status": {"conditions": [{"type": "Bound", "status": "True"}]}}),
    );
    hub.settle();
    assert_eq!(reason(&hub, "g"), "Applied");
    hub.accept("managed1", &json!({"env": "prod"}));
    hub.settle();
    assert_eq!(manifests(&hub, "managed1"), [] as [Value; 0]);
}

#[test]
fn many_grants_are_split_and_none_is_lost() {
    let mut hub = hub(&["managed1"]);
    let names: Vec<_> = (0..64).map(|index| format!("{index:0>80}")).collect();
    let rules = json!([{
        "apiGroups": [""], "resources": ["configmaps"], "resourceNames": names, "verbs": ["get"],
    }]);
    for index in 0..60 {
        grant(
            &mut hub,
            &format!("g{index}"),
            &json!({"role": {"rules": rules}}),
        );
    }
    hub.settle();
    let works = hub.observed.within(Kind::ManifestWork, "managed1");
    let works = works.filter(|(key, _)| key.name.starts_with("spokeway-access-"));
    let sizes: Vec<_> = works
        .map(|(key, work)| hub.whole(key, work)["spec"].to_string().len())
        .collect();
    assert!(
        sizes.len() > 1 && sizes.iter().all(|size| *size < 500 * 1024),
        "{sizes:?}"
    );
    assert_eq!(bindings(&hub, "managed1").len(), 60);
}

#[test]
fn with_manual_credentials_whoever_manages_them_binds_the_gateways_role() {
    let mut hub = hub(&["managed1"]);
    hub.configure(&json!({"credentials": {"type": "Manual"}}));
    grant(&mut hub, "users", &json!({}));
    grant(
        &mut hub,
        "gateway",
        &json!({"subjects": [{"kind": "Gateway"}]}),
    );
    hub.settle();
    for name in ["gateway", "users"] {
        assert_eq!(states(&hub, name)[0].1, GrantState::Applied);
    }
    let held = manifests(&hub, "managed1");
    let of_gateway = held
        .iter()
        .filter(|it| it["metadata"]["name"] == "spokeway:gateway-impersonation");
    let kinds: Vec<_> = of_gateway.map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ClusterRole"]);
}

#[test]
fn if_all_callers_are_one_account_no_grant_is_called_applied() {
    let mut hub = hub(&["managed1"]);
    grant(&mut hub, "g", &json!({}));
    hub.settle();
    hub.configure(&json!({"identity": {"type": "ServiceAccount"}}));
    hub.settle();
    let state = &status(&hub, "g").cluster_states[0];
    assert_eq!(
        (state.state, state.reason.as_str()),
        (GrantState::Failed, "NotInEffect")
    );
    assert_eq!(manifests(&hub, "managed1"), [] as [Value; 0]);
}

#[test]
fn no_grant_is_called_applied_while_a_server_of_somebody_elses_does_otherwise() {
    let mut hub = hub(&["managed1"]);
    grant(&mut hub, "g", &json!({}));
    let external = json!({"server": {"deployment": "External", "external": {"caBundle": "Y2E="}}});
    hub.configure(&external);
    let says = |kind| {
        let identity = Identity {
            kind,
            ..Identity::default()
        };
        ServerSeen::Ready(Some(ServerSettings {
            version: "1".to_owned(),
            identity,
            inner_authorization: false,
        }))
    };
    let degraded = |hub: &Hub| {
        let key = ObjectKey::global(Kind::GatewayConfiguration, "default");
        let object = hub.observed.object(&key).unwrap();
        let conditions = &object.data["status"]["conditions"];
        let conditions = conditions.as_array().unwrap().iter();
        let mut degraded = conditions.filter(|it| it["type"] == "Degraded");
        degraded.next().unwrap()["reason"].clone()
    };
    for (seen, words) in [
        (
            says(IdentityType::ServiceAccount),
            "runs with --identity=service-account, but",
        ),
        (ServerSeen::Ready(None), "does not say who callers are"),
    ] {
        hub.observed.server = seen;
        hub.settle();
        let state = &status(&hub, "g").cluster_states[0];
        assert_eq!(
            (state.state, state.reason.as_str()),
            (GrantState::Pending, "ServerDiffers")
        );
        assert!(state.message.contains(words), "{state:?}");
        assert_eq!(degraded(&hub), "ServerDiffers");
    }
    hub.observed.server = says(IdentityType::Impersonate);
    let inner = |enabled| json!({"access": {"innerAuthorization": {"enabled": enabled}}});
    hub.configure(&inner(true));
    hub.settle();
    let state = &status(&hub, "g").cluster_states[0];
    assert!(state.message.contains("--inner-authorization"), "{state:?}");
    assert_eq!(degraded(&hub), "ServerDiffers");
    hub.configure(&inner(false));
    hub.settle();
    assert_eq!(
        status(&hub, "g").cluster_states[0].state,
        GrantState::Applied
    );
    assert_ne!(degraded(&hub), "ServerDiffers");
}

#[test]
fn that_a_grant_was_used_is_remembered_until_an_administrator_says_otherwise() {
    let mut hub = hub(&["managed1", "managed2"]);
    let record = |cluster| ObjectKey::new(Kind::ConfigMap, cluster, "spokeway-access");
    let since = |hub: &Hub, cluster| {
        let record = hub.observed.object(&record(cluster))?;
        Some(record.data["data"]["firstGrant"].clone())
    };
    grant(&mut hub, "g", &json!({"clusters": {"names": ["managed1"]}}));
    // It comes before the right.
    let plan = hub.plan(&Key::Access("managed1".to_owned()));
    let kinds: Vec<_> = plan.actions.iter().map(Action::kind).collect();
    assert_eq!(kinds, [Kind::ConfigMap, Kind::ManifestWork]);
    hub.settle();
    let first = since(&hub, "managed1").unwrap();
    assert_eq!(since(&hub, "managed2"), None);

    hub.pass(3600);
    grant(&mut hub, "g", &json!({"role": {"clusterRole": "edit"}}));
    hub.settle();
    hub.remove(&key("g"));
    hub.settle();
    assert!(hub.observed.object(&key("g")).is_none());
    assert_eq!(since(&hub, "managed1"), Some(first.clone()));
    hub.configure(&json!({"clusters": {"selector": {"matchLabels": {"env": "prod"}}}}));
    hub.settle();
    assert_eq!(since(&hub, "managed1"), Some(first));
    hub.remove(&record("managed1"));
    hub.settle();
    assert_eq!(since(&hub, "managed1"), None);
}

#[test]
fn all_grants_of_a_cluster_are_one_write_and_each_change_is_one_more() {
    let clusters: Vec<_> = (0..10).map(|index| format!("managed{index}")).collect();
    let mut hub = hub(&clusters.iter().map(String::as_str).collect::<Vec<_>>());
    hub.settle();
    for index in 0..40 {
        grant(&mut hub, &format!("grant{index}"), &json!({}));
    }
    let writes = |hub: &mut Hub| {
        let plans = clusters
            .iter()
            .map(|cluster| hub.plan(&Key::Access(cluster.clone())));
        plans.map(|plan| plan.actions.len()).collect::<Vec<_>>()
    };
    // The first time, there is a record of it besides.
    assert_eq!(writes(&mut hub), [2; 10]);
    hub.settle();
    assert_eq!(writes(&mut hub), [0; 10]);
    grant(
        &mut hub,
        "grant7",
        &json!({"clusters": {"names": ["managed3"]}}),
    );
    hub.remove(&key("grant8"));
    assert_eq!(writes(&mut hub), [1; 10]);
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "it measures; the runner shows it on demand"
)]
fn many_grants_on_many_clusters_are_one_write_for_each_cluster() {
    let clusters: Vec<_> = (0..200).map(|index| format!("managed{index}")).collect();
    let mut hub = hub(&clusters.iter().map(String::as_str).collect::<Vec<_>>());
    for index in 0..500 {
        let name = |what| format!("{what}{index}");
        let subjects = json!([
            {"kind": "User", "name": name("user")}, {"kind": "Group", "name": name("group")},
        ]);
        grant(&mut hub, &name("grant"), &json!({"subjects": subjects}));
    }
    let begin = Instant::now();
    let plans = clusters
        .iter()
        .map(|cluster| hub.plan(&Key::Access(cluster.clone())));
    let plans: Vec<_> = plans.collect();
    println!("500 grants on 200 clusters: {:?}", begin.elapsed());
    let works = |plan: &Plan| {
        let kinds = plan.actions.iter().map(Action::kind);
        kinds.filter(|kind| *kind == Kind::ManifestWork).count()
    };
    assert!(plans.iter().all(|plan| works(plan) == 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever was granted, changed and revoked before, clusters have exactly what is granted now,
    /// and then nothing more is written.
    #[test]
    fn what_is_held_is_what_is_granted(
        steps in proptest::collection::vec((0..4_usize, 0..5_usize, 0..3_usize), 1..12),
    ) {
        let mut hub = hub(&["managed1", "managed2"]);
        let mut wanted = std::collections::BTreeMap::new();
        for (which, what, cluster) in steps {
            let name = format!("g{which}");
            let clusters = [json!(["managed1"]), json!(["managed2"]), json!(["managed1", "managed2"])];
            if what == 0 {
                if wanted.remove(&name).is_some() {
                    hub.remove(&key(&name));
                }
            } else {
                // A grant that is being deleted is not changed any more.
                let is_going = hub.observed.object(&key(&name))
                    .is_some_and(|it| it.metadata.deletion_timestamp.is_some());
                if is_going {
                    hub.settle();
                }
                let role = ["view", "edit", "admin", "cluster-admin"][what - 1];
                let names = clusters[cluster].clone();
                let more = json!({"clusters": {"names": names}, "role": {"clusterRole": role}});
                grant(&mut hub, &name, &more);
                wanted.insert(name, (role, names));
            }
            if which == 0 {
                hub.settle();
            }
        }
        hub.settle();
        for cluster in ["managed1", "managed2"] {
            let held = manifests(&hub, cluster).into_iter().filter(|it| {
                it["kind"] == "ClusterRoleBinding" && it["metadata"]["annotations"].is_object()
            });
            let held: Vec<_> = held
                .map(|it| (
                    it["metadata"]["annotations"]["gateway.open-cluster-management.io/grant"].clone(),
                    it["roleRef"]["name"].clone(),
                ))
                .collect();
            let granted = wanted.iter().filter(|(_, (_, names))| {
                names.as_array().unwrap().contains(&json!(cluster))
            });
            let granted: Vec<_> = granted.map(|(name, (role, _))| (json!(name), json!(role))).collect();
            prop_assert_eq!(held, granted);
        }
        for key in hub.keys() {
            prop_assert_eq!(hub.plan(&key).actions, [] as [Action; 0], "{:?}", key);
        }
    }
}
