//! Admission webhooks of the hub that change what the operator writes.

use crds::addon::Version;
use serde_json::{Value, json};

use super::model::Hub;
use crate::{
    key::Key,
    kind::{Kind, ObjectKey},
    names::{MANAGED_BY, SERVER, WORK},
};

/// A registry mirror, and a mesh that adds a sidecar.
fn mirror(key: &ObjectKey, written: &mut Value) {
    if key.kind == Kind::Deployment {
        let containers = &mut written["spec"]["template"]["spec"]["containers"];
        containers[0]["image"] = "mirror.local/gateway-server:v1".into();
        let containers = containers.as_array_mut().unwrap();
        containers.push(json!({"name": "sidecar", "image": "mesh"}));
    }
}

/// It also changes what is brought to clusters.
fn mirror_everywhere(key: &ObjectKey, written: &mut Value) {
    if let Some(manifests) = written.pointer_mut("/spec/workload/manifests") {
        let all = manifests.as_array_mut().unwrap();
        let deployment = all.iter_mut().find(|it| it["kind"] == "Deployment");
        if let Some(deployment) = deployment {
            deployment["spec"]["template"]["spec"]["containers"][0]["image"] =
                "mirror.local/agent:v1".into();
        }
    }
    mirror(key, written);
}

fn server() -> ObjectKey {
    ObjectKey::new(Kind::Deployment, "spokeway-system", SERVER)
}

fn managed(admission: fn(&ObjectKey, &mut Value)) -> Hub {
    let mut hub = Hub::new(Version::V1beta1);
    hub.admission = admission;
    hub.install();
    hub.configure(&json!({"server": {"deployment": "Managed"}}));
    hub.accept("managed1", &json!({}));
    hub.settle();
    hub
}

#[test]
fn what_admission_makes_of_a_write_is_accepted_and_said_once() {
    let mut hub = managed(mirror_everywhere);
    let work = ObjectKey::new(Kind::ManifestWork, "managed1", WORK);
    let said = [
        format!("spec.template.spec.containers of {}", server()),
        format!("spec.workload.manifests of {work}"),
    ];
    assert_eq!(hub.changed, said);
    for key in hub.keys() {
        assert_eq!(hub.plan(&key).actions, [], "{key:?}");
    }
    // Another configuration is written, and again admission changes it in the same way.
    hub.configure(&json!({"server": {"deployment": "Managed", "replicas": 5}}));
    hub.settle();
    let object = hub.observed.object(&server()).unwrap();
    assert_eq!(object.data["spec"]["replicas"], 5);
    let containers = &object.data["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers[0]["image"], "mirror.local/gateway-server:v1");
    assert_eq!(hub.changed, said);
}

#[test]
fn what_somebody_else_changes_is_still_put_back_whatever_admission_does() {
    let mut hub = managed(mirror);
    for change in [
        json!({"spec": {"replicas": 0}}),
        json!({"spec": {"template": {"spec": {"containers": [{"image": "evil"}]}}}}),
        json!({"metadata": {"labels": {MANAGED_BY: "somebody"}}}),
    ] {
        let before = hub.observed.object(&server()).cloned().unwrap();
        hub.write(&server(), &change);
        assert_ne!(hub.plan(&Key::Hub).actions, [], "{change}");
        hub.settle();
        let after = hub.observed.object(&server()).unwrap();
        assert_eq!(after.data["spec"], before.data["spec"]);
        assert_eq!(after.metadata.labels, before.metadata.labels);
    }
}

#[test]
fn once_admission_no_longer_changes_anything_a_restart_writes_what_is_wanted() {
    let mut hub = managed(mirror);
    hub.admission = |_, _| {};
    hub.settle();
    let image = |hub: &Hub| {
        let object = hub.observed.object(&server()).unwrap();
        object.data["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    assert_eq!(image(&hub), "mirror.local/gateway-server:v1");
    hub.restart();
    hub.settle();
    assert_eq!(image(&hub), "ghcr.io/spokeway/gateway-server:v1");
}
