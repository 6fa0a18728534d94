//! The life of one cluster from its acceptance, plan by plan.

use crds::addon::{DEFAULT_NAMESPACE, Subject, Version};
use serde_json::{Value, json};

use super::model::Hub;
use crate::{
    addon::Addon,
    key::Key,
    kind::{Kind, ObjectKey},
    names::{ACCOUNTS, GATEWAY},
    object::is_ours,
    plan::{Action, Plan, enrolment::request_for_tests, row_key},
};

/// The manifests that a plan sends to the API server.
fn written(hub: &Hub, plan: &Plan) -> Vec<Value> {
    let addons = hub.observed.installation.addons;
    let write = |action: &Action| match action {
        Action::Apply(desired) => json!({"apply": desired.manifest(addons)}),
        Action::ApplyStatus(desired) => json!({"apply status": desired.manifest(addons)}),
        other => json!(other),
    };
    plan.actions.iter().map(write).collect()
}

/// All plans of a cluster until there is nothing to do, interleaved with what others do.
fn phases(addons: Version, by_token: bool) -> Vec<Value> {
    let mut hub = Hub::configured(addons);
    hub.accept("managed1", &json!({}));
    if by_token {
        hub.by_token.push("managed1".to_owned());
    }
    hub.turn_hub();
    let mut phases = Vec::new();
    loop {
        let plan = hub.cluster("managed1");
        if !plan.actions.is_empty() {
            phases.push(json!(written(&hub, &plan)));
            hub.turn(&Key::Cluster("managed1".to_owned()));
        } else if hub.others_act() {
            phases.push(json!("others do their part"));
        } else {
            return phases;
        }
    }
}

#[test]
fn with_certificates_and_the_newer_api() {
    insta::assert_json_snapshot!(phases(Version::V1beta1, false));
}

#[test]
fn with_tokens_and_the_newer_api() {
    insta::assert_json_snapshot!(without_works(phases(Version::V1beta1, true)));
}

#[test]
fn with_certificates_and_the_older_api() {
    insta::assert_json_snapshot!(without_works(phases(Version::V1alpha1, false)));
}

#[test]
fn with_tokens_and_the_older_api() {
    insta::assert_json_snapshot!(without_works(phases(Version::V1alpha1, true)));
}

/// Drops the agent's manifests, because they are the same for every version and credential.
fn without_works(mut phases: Vec<Value>) -> Vec<Value> {
    for write in phases.iter_mut().filter_map(Value::as_array_mut).flatten() {
        let manifest = &mut write["apply"];
        if manifest["kind"] == "ManifestWork" {
            manifest["spec"] = "as ever".into();
        }
    }
    phases
}

#[test]
fn the_hub_as_a_whole() {
    for addons in [Version::V1beta1, Version::V1alpha1] {
        let mut hub = Hub::configured(addons);
        hub.turn(&Key::Hub);
        let name = format!("the_hub_as_a_whole_{}", addons.as_str());
        insta::assert_json_snapshot!(name, written(&hub, &hub.plan(&Key::Hub)));
    }
}

#[test]
fn rights_are_bound_before_the_row_says_so_and_the_agent_comes_after() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.accept("managed1", &json!({}));
    let (mut rights, mut said, mut deployed) = (None, None, None);
    for step in 0.. {
        let plan = hub.cluster("managed1");
        for action in &plan.actions {
            match action {
                Action::Apply(desired) if desired.key.kind == Kind::RoleBinding => {
                    rights.get_or_insert(step);
                }
                Action::Apply(desired) if desired.key.kind == Kind::ManifestWork => {
                    deployed.get_or_insert(step);
                }
                Action::ApplyStatus(desired) if desired.key.name == GATEWAY => {
                    let conditions = &desired.body["status"]["conditions"];
                    if conditions[0]["status"] == "True" {
                        said.get_or_insert(step);
                    }
                }
                _ => {}
            }
        }
        if !hub.turn(&Key::Cluster("managed1".to_owned())) && !hub.others_act() {
            break;
        }
    }
    assert!(rights.unwrap() < said.unwrap(), "{rights:?} {said:?}");
    assert!(said.unwrap() < deployed.unwrap(), "{said:?} {deployed:?}");
}

#[test]
fn a_request_of_the_agent_is_granted_and_others_are_left_alone() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.accept("managed1", &json!({}));
    hub.settle();
    for (name, cluster) in [("own", "managed1"), ("others", "managed2")] {
        let key = ObjectKey::new(Kind::CertificateSigningRequest, "managed1", name);
        let csr = request_for_tests("managed1", cluster);
        let mut object = serde_json::to_value(&csr).unwrap();
        object["metadata"]["labels"]["open-cluster-management.io/cluster-name"] = "managed1".into();
        hub.write(&key, &object);
    }
    let plan = hub.cluster("managed1");
    let granted: Vec<_> = plan.actions.iter().collect();
    assert!(
        matches!(&granted[..], [Action::Approve { request, .. }] if request.key.name == "own"),
        "{granted:?}"
    );
    assert_eq!(plan.notes.len(), 1);
    assert!(
        plan.notes[0].text.contains("common name"),
        "{:?}",
        plan.notes
    );
}

#[test]
fn a_name_that_the_managed_cluster_made_up_gets_no_rights() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.accept("managed1", &json!({}));
    hub.by_token.push("managed1".to_owned());
    hub.settle();
    let lie = crds::addon::KubeClient {
        subject: Subject {
            user: "system:serviceaccount:managed2:cluster-gateway-agent".to_owned(),
            groups: vec![],
        },
        driver: Some(crds::addon::Driver::Token),
    };
    let status = json!({"status": {"registrations": [lie.registration(Version::V1beta1)]}});
    hub.write(&row_key("managed1", Addon::Gateway), &status);
    hub.turn(&Key::Cluster("managed1".to_owned()));
    let bindings = [Kind::RoleBinding, Kind::ClusterRoleBinding];
    let mut bindings = bindings.into_iter().flat_map(|kind| hub.observed.all(kind));
    let bound = bindings.any(|(_, it)| {
        it.data["subjects"][0]["name"]
            .as_str()
            .is_some_and(|name| name.contains("serviceaccount"))
    });
    assert!(!bound);
}

#[test]
fn an_addon_of_somebody_else_is_used_and_not_touched() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.accept("managed1", &json!({}));
    let manager = ObjectKey::global(Kind::ClusterManagementAddOn, ACCOUNTS);
    hub.write(
        &manager,
        &json!({"spec": {"addOnMeta": {"displayName": "theirs"}}}),
    );
    hub.write(&row_key("managed1", Addon::Accounts), &json!({"spec": {}}));
    hub.settle();
    let row = hub
        .observed
        .object(&row_key("managed1", Addon::Accounts))
        .unwrap();
    assert!(row.metadata.labels.is_none() && row.data.get("status").is_none());
    let text = serde_json::to_string(&hub.portrait()).unwrap();
    assert!(text.contains("--lease=cluster-proxy=tunnel"), "{text}");
    assert!(!text.contains("--tokens"), "{text}");
    assert!(text.contains("--lease=cluster-gateway=tunnel\""), "{text}");
    assert!(
        hub.observed
            .object(&row_key("managed1", Addon::Proxy))
            .is_some()
    );

    // After that add-on is deleted, the operator takes over, but only once its
    // `ManagedClusterAddOn`s are collected.
    let row = row_key("managed1", Addon::Accounts);
    hub.write(
        &row,
        &json!({"metadata": {"ownerReferences": [{
            "apiVersion": "addon.open-cluster-management.io/v1beta1", "kind": "ClusterManagementAddOn",
            "name": ACCOUNTS, "uid": "theirs",
        }]}}),
    );
    hub.remove(&manager);
    hub.settle();
    assert!(hub.observed.object(&manager).is_none());
    hub.remove(&row);
    hub.settle();
    let text = serde_json::to_string(&hub.portrait()).unwrap();
    assert!(
        text.contains("--lease=cluster-gateway=tunnel+tokens"),
        "{text}"
    );
}

#[test]
fn a_row_that_somebody_makes_for_an_addon_of_ours_becomes_ours() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.turn_hub();
    hub.write(&row_key("managed1", Addon::Accounts), &json!({"spec": {}}));
    hub.accept("managed1", &json!({}));
    hub.settle();
    let row = hub
        .observed
        .object(&row_key("managed1", Addon::Accounts))
        .unwrap();
    assert!(is_ours(row), "{row:?}");
    let text = serde_json::to_string(&hub.portrait()).unwrap();
    assert!(text.contains("--tokens"), "{text}");
}

#[test]
fn a_default_that_the_administrator_gives_the_addon_is_kept_and_carried_out() {
    let group = "addon.open-cluster-management.io";
    let resource = "addondeploymentconfigs";
    for (version, field, default) in [
        (
            Version::V1alpha1,
            "supportedConfigs",
            json!({"group": group, "resource": resource, "defaultConfig": {"name": "agents", "namespace": "fleet"}}),
        ),
        (
            Version::V1beta1,
            "defaultConfigs",
            json!({"group": group, "resource": resource, "name": "agents", "namespace": "fleet"}),
        ),
    ] {
        let mut hub = Hub::configured(version);
        hub.accept("managed1", &json!({}));
        let config = ObjectKey::new(Kind::AddOnDeploymentConfig, "fleet", "agents");
        hub.write(
            &config,
            &json!({"spec": {"agentInstallNamespace": "agents"}}),
        );
        hub.settle();
        let addon = ObjectKey::global(Kind::ClusterManagementAddOn, GATEWAY);
        let other = json!({"group": "other", "resource": "others", "name": "x", "namespace": "y"});
        let chosen = json!([other, default]);
        let entry = format!("k:{{\"group\":\"{group}\",\"resource\":\"{resource}\"}}");
        let owned = json!({"f:spec": {format!("f:{field}"): {entry: {"f:name": {}}}}});
        let managers =
            json!([{"manager": "kubectl-edit", "operation": "Update", "fieldsV1": owned}]);
        hub.write(
            &addon,
            &json!({"metadata": {"managedFields": managers}, "spec": {field: chosen}}),
        );
        let reference = json!({
            "group": group, "resource": resource,
            "desiredConfig": {"namespace": "fleet", "name": "agents", "specHash": "abc"},
        });
        let row = row_key("managed1", Addon::Gateway);
        hub.write(&row, &json!({"status": {"configReferences": [reference]}}));
        hub.settle();
        let kept = &hub.observed.object(&addon).unwrap().data["spec"][field];
        // The model replaces a list whole. An API server keeps the entries of others.
        let kept = kept.as_array().unwrap();
        assert!(kept.contains(&default), "{version:?}: {kept:?}");
        let status = &hub.observed.object(&row).unwrap().data["status"];
        assert_eq!(status["namespace"], "agents", "{version:?}");
        // Once it is taken away, there is none.
        hub.write(&addon, &json!({"spec": {field: [other]}}));
        assert_ne!(hub.plan(&Key::Hub).actions, [], "{version:?}");
    }
}

#[test]
fn a_configuration_reaches_the_deployment_and_is_reported_once_applied() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.accept("managed1", &json!({}));
    let config = ObjectKey::new(Kind::AddOnDeploymentConfig, "hub-config", "agents");
    hub.write(&config, &json!({"spec": {
        "agentInstallNamespace": "agents",
        "nodePlacement": {"nodeSelector": {"zone": "a"}, "tolerations": [{"operator": "Exists"}]},
        "registries": [{"source": "ghcr.io/spokeway", "mirror": "local:5000/spokeway"}],
        "proxyConfig": {"httpsProxy": "http://proxy:3128", "noProxy": ".svc"},
        "customizedVariables": [
            {"name": "AGENT_LOG", "value": "debug"}, {"name": "AGENT_CLUSTER", "value": "other"},
        ],
        "resourceRequirements": [{"containerID": "*:*:agent", "resources": {"limits": {"memory": "64Mi"}}}],
    }}));
    hub.settle();
    let desired = json!({"namespace": "hub-config", "name": "agents", "specHash": "abc"});
    let reference = json!({
        "group": "addon.open-cluster-management.io", "resource": "addondeploymentconfigs",
        "desiredConfig": desired, "lastObservedGeneration": 1,
    });
    let key = row_key("managed1", Addon::Gateway);
    hub.write(&key, &json!({"status": {"configReferences": [reference]}}));
    hub.settle();
    // The managed cluster may have written that itself.
    let row = hub.observed.object(&key).unwrap();
    assert_eq!(row.data["status"]["namespace"], DEFAULT_NAMESPACE);
    let mut chosen = reference.clone();
    chosen["namespace"] = "hub-config".into();
    chosen["name"] = "agents".into();
    hub.write(&key, &json!({"spec": {"configs": [chosen]}}));
    hub.settle();
    let row = hub
        .observed
        .object(&row_key("managed1", Addon::Gateway))
        .unwrap();
    let reference = &row.data["status"]["configReferences"][0];
    assert_eq!(reference["lastAppliedConfig"], desired);
    assert_eq!(row.data["status"]["namespace"], "agents");
    let works = hub
        .observed
        .all(Kind::ManifestWork)
        .map(|(key, it)| hub.whole(key, it)["spec"].clone());
    insta::assert_json_snapshot!(works.collect::<Vec<_>>());
}

/// What the add-on that carries the agent says of its proxy.
fn usable(hub: &Hub) -> Value {
    let row = hub.observed.object(&row_key("managed1", Addon::Gateway));
    let conditions = row.unwrap().data["status"]["conditions"].clone();
    let mut all = conditions.as_array().unwrap().iter();
    let found = all.find(|it| it["type"] == "ProxyUsable");
    found.cloned().unwrap_or_default()
}

/// No agent can say so, because it does not reach the hub.
#[test]
fn a_proxy_that_no_agent_can_use_is_named_until_it_is_mended_or_gone() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.accept("managed1", &json!({}));
    let config = ObjectKey::new(Kind::AddOnDeploymentConfig, "hub-config", "agents");
    hub.write(
        &config,
        &json!({"spec": {"proxyConfig": {"httpsProxy": "proxy:3128"}}}),
    );
    hub.settle();
    let chosen = json!({
        "group": "addon.open-cluster-management.io", "resource": "addondeploymentconfigs",
        "namespace": "hub-config", "name": "agents",
        "desiredConfig": {"namespace": "hub-config", "name": "agents", "specHash": "abc"},
    });
    let key = row_key("managed1", Addon::Gateway);
    hub.write(
        &key,
        &json!({"spec": {"configs": [chosen]}, "status": {"configReferences": [chosen]}}),
    );
    hub.settle();
    assert_eq!(usable(&hub)["status"], "True");
    hub.write(
        &config,
        &json!({"spec": {
            "proxyConfig": {"httpsProxy": "ftp://u:hunter2@proxy", "noProxy": ".svc,"},
        }}),
    );
    hub.settle();
    let condition = usable(&hub);
    assert_eq!(
        (&condition["status"], &condition["reason"]),
        (&json!("False"), &json!("ProxyConfigInvalid"))
    );
    let message = condition["message"].as_str().unwrap();
    assert!(
        message.starts_with(
            "AddOnDeploymentConfig hub-config/agents: spec.proxyConfig.httpsProxy \"ftp://proxy\""
        ),
        "{message}"
    );
    let configuration = ObjectKey::global(Kind::GatewayConfiguration, "default");
    let status = &hub.observed.object(&configuration).unwrap().data["status"];
    let status = status["troubled"].to_string();
    assert!(
        status.contains("ProxyConfigInvalid") && !status.contains("hunter2"),
        "{status}"
    );
    hub.write(
        &config,
        &json!({"spec": {"proxyConfig": {"httpsProxy": "", "noProxy": ""}}}),
    );
    hub.settle();
    assert_eq!(
        (&usable(&hub)["status"], &usable(&hub)["reason"]),
        (&json!("True"), &json!("NoProxy"))
    );
}
