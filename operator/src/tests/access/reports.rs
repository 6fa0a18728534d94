//! What clusters report of grants, and what two hubs bring to one cluster.

use crds::gateway::GrantState;
use serde_json::json;

use super::{bindings, grant, hub, key, manifests, reason, states};
use crate::{
    kind::{Kind, ObjectKey},
    tests::model::Hub,
};

#[test]
fn a_grant_whose_binding_somebody_deletes_on_the_cluster_is_not_called_applied() {
    let mut hub = hub(&["managed1"]);
    grant(&mut hub, "g", &json!({}));
    hub.settle();
    assert_eq!(reason(&hub, "g"), "Applied");
    let work = ObjectKey::new(Kind::ManifestWork, "managed1", "spokeway-access-0");
    let report = |hub: &mut Hub, there: &str| {
        let all = manifests(hub, "managed1");
        let reports = (0..all.len()).map(|ordinal| {
            json!({"resourceMeta": {"ordinal": ordinal}, "conditions": [
                {"type": "Applied", "status": "True", "reason": "x", "message": "",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "Available", "status": there, "reason": "x", "message": "",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"},
            ]})
        });
        let reports: Vec<_> = reports.collect();
        hub.write(
            &work,
            &json!({"status": {"resourceStatus": {"manifests": reports}}}),
        );
        hub.settle();
    };
    report(&mut hub, "False");
    assert_eq!(states(&hub, "g")[0].2, "Missing");
    report(&mut hub, "True");
    assert_eq!(states(&hub, "g")[0].1, GrantState::Applied);
}

#[test]
fn a_grant_whose_selector_makes_no_sense_stays_where_it_is_and_comes_nowhere_else() {
    let mut hub = hub(&["managed1"]);
    grant(
        &mut hub,
        "g",
        &json!({"clusters": {"selector": {"matchLabels": {"env": "test"}}}}),
    );
    hub.settle();
    assert_eq!(reason(&hub, "g"), "Applied");
    let senseless = json!({"matchExpressions": [{"key": "env", "operator": "exists"}]});
    grant(&mut hub, "g", &json!({"clusters": {"selector": senseless}}));
    hub.accept("managed2", &json!({"env": "test"}));
    hub.settle();
    assert_eq!(reason(&hub, "g"), "InvalidSelector");
    assert_eq!(
        (
            bindings(&hub, "managed1").len(),
            bindings(&hub, "managed2").len()
        ),
        (1, 0)
    );
}

/// The arguments of the agent that the hub brings to the cluster.
fn agent_arguments(hub: &Hub) -> Vec<serde_json::Value> {
    let key = ObjectKey::new(Kind::ManifestWork, "managed1", crate::names::WORK);
    let work = hub.whole(&key, hub.observed.object(&key).unwrap());
    let manifests = work["spec"]["workload"]["manifests"].as_array().unwrap();
    let mut deployments = manifests.iter().filter(|it| it["kind"] == "Deployment");
    let containers = &deployments.next().unwrap()["spec"]["template"]["spec"]["containers"];
    containers[0]["args"].as_array().unwrap().clone()
}

#[test]
fn what_two_hubs_bring_to_one_cluster_has_different_names() {
    let mut names = Vec::new();
    for uid in ["1", "2"] {
        let mut hub = hub(&["managed1"]);
        let system = ObjectKey::global(Kind::Namespace, "kube-system");
        hub.write(&system, &json!({"metadata": {"uid": uid}}));
        let config = ObjectKey::new(Kind::AddOnDeploymentConfig, "managed1", "agents");
        let namespace = format!("agents-of-hub-{uid}");
        hub.write(
            &config,
            &json!({"spec": {"agentInstallNamespace": namespace}}),
        );
        grant(&mut hub, "g", &json!({}));
        hub.write(
            &key("g"),
            &json!({"metadata": {"uid": format!("grant-{uid}")}}),
        );
        hub.settle();
        let row = crate::plan::row_key("managed1", crate::addon::Addon::Gateway);
        let mut chosen = json!({
            "group": "addon.open-cluster-management.io", "resource": "addondeploymentconfigs",
            "namespace": "managed1", "name": "agents",
        });
        hub.write(&row, &json!({"spec": {"configs": [chosen]}}));
        chosen["desiredConfig"] =
            json!({"namespace": "managed1", "name": "agents", "specHash": "a"});
        hub.write(&row, &json!({"status": {"configReferences": [chosen]}}));
        hub.settle();
        let works = hub.observed.within(Kind::ManifestWork, "managed1");
        let manifests = works.flat_map(|(key, work)| {
            let work = hub.whole(key, work);
            let manifests = &work["spec"]["workload"]["manifests"];
            manifests.as_array().cloned().unwrap_or_default()
        });
        let of_hub: Vec<_> = manifests
            .map(|it| {
                let metadata = &it["metadata"];
                format!(
                    "{} {} {}",
                    it["kind"], metadata["namespace"], metadata["name"]
                )
            })
            .collect();
        assert!(of_hub.len() > 10, "{of_hub:?}");
        let marks = format!("--hub-id={}", crate::digest::digits(uid.as_bytes()));
        assert!(agent_arguments(&hub).contains(&json!(marks)));
        names.push(of_hub);
    }
    let [first, second] = &names[..] else {
        panic!();
    };
    let both: Vec<_> = first.iter().filter(|it| second.contains(it)).collect();
    assert!(both.is_empty(), "{both:?}");
}
