//! A cluster whose name is that of somebody else's namespace gets nothing there.

use crds::{addon::Version, gateway::GatewayConfigurationStatus};
use serde_json::json;

use super::model::Hub;
use crate::{
    addon::Addon,
    key::Key,
    kind::{Kind, ObjectKey},
    names::FOR_CLUSTER,
    object::part,
    plan::row_key,
};

/// The reasons of the clusters in trouble.
fn troubled(hub: &Hub) -> Vec<(String, String)> {
    let key = ObjectKey::global(Kind::GatewayConfiguration, "default");
    let object = hub.observed.object(&key).unwrap();
    let status: GatewayConfigurationStatus = part(object, "status").unwrap_or_default();
    let all = status.troubled.into_iter();
    all.map(|it| (it.name, it.reason)).collect()
}

fn is_enrolled(hub: &Hub, cluster: &str) -> bool {
    let row = hub.observed.object(&row_key(cluster, Addon::Gateway));
    let bound = hub.observed.within(Kind::RoleBinding, cluster).count() > 0;
    row.is_some() || bound
}

#[test]
fn the_name_of_a_namespace_of_the_hub_is_refused() {
    for name in [
        "default",
        "kube-system",
        "kube-public",
        "open-cluster-management",
        "open-cluster-management-credentials",
        "openshift-config",
        "spokeway-system",
    ] {
        let mut hub = Hub::configured(Version::V1beta1);
        hub.accept(name, &json!({}));
        hub.settle();
        assert!(!is_enrolled(&hub, name), "{name}");
        let reserved = (name.to_owned(), "NameReserved".to_owned());
        assert_eq!(troubled(&hub), [reserved]);
        let notes = hub.plan(&Key::Cluster(name.to_owned())).notes;
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert_eq!(
            notes[0].regarding,
            ObjectKey::global(Kind::ManagedCluster, name)
        );
    }
}

#[test]
fn the_namespace_of_the_server_is_refused_wherever_it_is() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.accept("gateways", &json!({}));
    hub.settle();
    assert!(is_enrolled(&hub, "gateways"));
    hub.configure(&json!({"server": {"namespace": "gateways"}}));
    hub.settle();
    assert!(!is_enrolled(&hub, "gateways"));
}

#[test]
fn a_namespace_that_was_there_before_is_used_only_if_somebody_says_so() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.accept("payments", &json!({}));
    let key = ObjectKey::global(Kind::Namespace, "payments");
    hub.observed.forget(&key, hub.now);
    hub.settle();
    assert!(!is_enrolled(&hub, "payments"));
    assert_eq!(troubled(&hub)[0].1, "NamespaceMissing");

    // Open Cluster Management puts its label on any namespace of that name.
    hub.write(
        &key,
        &json!({"metadata": {"labels": {
            "kubernetes.io/metadata.name": "payments",
            "open-cluster-management.io/cluster-name": "payments",
        }}}),
    );
    hub.settle();
    assert!(!is_enrolled(&hub, "payments"));
    assert_eq!(troubled(&hub)[0].1, "NamespaceForeign");

    hub.write(
        &key,
        &json!({"metadata": {"labels": {FOR_CLUSTER: "payments"}}}),
    );
    hub.settle();
    assert!(is_enrolled(&hub, "payments"));
    assert_eq!(troubled(&hub), []);
}
