//! The status of the configuration, from its creation until something breaks.

use crds::addon::Version;
use serde_json::{Value, json};

use super::model::{Hub, ready};
use crate::{
    addon::Addon,
    key::Key,
    kind::{Kind, ObjectKey},
    names::GATEWAY,
    observed::{Fault, ServerSeen},
    plan::{Action, row_key},
};

/// The conditions as `Type=Status (Reason) message`, the counts, and the clusters in trouble.
fn said(hub: &mut Hub) -> Value {
    hub.turn(&Key::Status);
    let key = ObjectKey::global(Kind::GatewayConfiguration, "default");
    let status = &hub.observed.object(&key).unwrap().data["status"];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conditions = status["conditions"].as_array().unwrap().iter();
    let mut conditions: Vec<_> = conditions
        .map(|it| {
            let [kind, status, reason, message] =
                ["type", "status", "reason", "message"].map(|field| word(&it[field]));
            format!("{kind}={status} ({reason}) {message}")
        })
        .collect();
    conditions.sort();
    json!({
        "conditions": conditions,
        "clusters": status["clusters"],
        "troubled": status["troubled"],
    })
}

#[test]
fn from_nothing_to_ready_and_into_trouble() {
    let mut hub = Hub::new(Version::V1beta1);
    hub.install();
    hub.configure(&json!({}));
    hub.observed.server = ServerSeen::Unready {
        why: "it does not answer: refused".to_owned(),
        since: hub.now,
    };
    hub.turn_hub();
    let mut days = vec![json!({"no gateway": said(&mut hub)})];
    hub.observed.server = ready();
    hub.turn_hub();
    hub.accept("managed1", &json!({}));
    days.push(json!({"a cluster joins": said(&mut hub)}));
    hub.settle();
    days.push(json!({"ready": said(&mut hub)}));
    hub.pass(60);
    let key = Key::Cluster("managed1".to_owned());
    let fault = Fault {
        object: ObjectKey::new(Kind::ManifestWork, "managed1", "addon"),
        reason: "Forbidden",
        message: "cannot write ManifestWork managed1/addon: no".to_owned(),
        since: hub.now,
    };
    hub.observed.faults.insert(key.clone(), fault);
    days.push(json!({"a write is refused": said(&mut hub)}));
    hub.pass(121);
    days.push(json!({"and goes on being refused": said(&mut hub)}));
    hub.observed.faults.remove(&key);
    let gateways = hub.observed.gateways.as_mut().unwrap();
    gateways.get_mut("managed1").unwrap().is_healthy = false;
    "no agent is attached".clone_into(&mut gateways.get_mut("managed1").unwrap().reason);
    days.push(json!({"the tunnel is gone": said(&mut hub)}));
    insta::assert_json_snapshot!(days);
}

#[test]
fn an_addon_that_is_not_available_gives_way_to_what_the_gateway_knows() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.accept("managed1", &json!({}));
    hub.settle();
    let row = row_key("managed1", Addon::Gateway);
    let unavailable = json!([{
        "type": "Available", "status": "False", "reason": "ManagedClusterAddOnLeaseUpdateStopped",
        "message": "cluster-gateway add-on is not available.", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]);
    hub.write(&row, &json!({"status": {"conditions": unavailable}}));
    let troubled = |hub: &mut Hub| said(hub)["troubled"][0].clone();
    let by_ocm = troubled(&mut hub);
    assert_eq!(by_ocm["reason"], "ManagedClusterAddOnLeaseUpdateStopped");
    let gateways = hub.observed.gateways.as_mut().unwrap();
    let seen = gateways.get_mut("managed1").unwrap();
    seen.is_healthy = false;
    "no agent of the cluster is connected".clone_into(&mut seen.reason);
    let by_the_gateway = troubled(&mut hub);
    assert_eq!(by_the_gateway["reason"], "Unreachable");
    assert_eq!(
        by_the_gateway["message"],
        "the gateway cannot reach the cluster: no agent of the cluster is connected"
    );
}

#[test]
fn what_is_somebody_elses_is_said() {
    let mut hub = Hub::configured(Version::V1beta1);
    let key = ObjectKey::global(Kind::ClusterManagementAddOn, GATEWAY);
    hub.write(&key, &json!({"spec": {}}));
    hub.accept("managed1", &json!({}));
    hub.turn_hub();
    assert_eq!(hub.cluster("managed1").actions, []);
    insta::assert_json_snapshot!(said(&mut hub));
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.accept("managed1", &json!({}));
    hub.settle();
    hub.pass(86_400);
    for key in hub.keys() {
        assert_eq!(hub.plan(&key).actions, [] as [Action; 0], "{key:?}");
    }
}

#[test]
fn no_more_clusters_are_named_than_fit_and_the_oldest_trouble_comes_first() {
    let mut hub = Hub::configured(Version::V1beta1);
    for index in 0..30 {
        hub.accept(&format!("managed{index:02}"), &json!({}));
        hub.turn(&Key::Status);
        hub.pass(10);
    }
    let said = said(&mut hub);
    let troubled = said["troubled"].as_array().unwrap();
    assert_eq!(troubled.len(), 20);
    assert_eq!(troubled[0]["name"], "managed00");
    assert_eq!(said["clusters"]["total"], 30);
    // A cluster whose objects cannot be written is not hidden by all those that are joining.
    let fault = Fault {
        object: ObjectKey::new(Kind::ManifestWork, "managed1", "addon"),
        reason: "Forbidden",
        message: "cannot write".to_owned(),
        since: hub.now,
    };
    let key = Key::Cluster("managed29".to_owned());
    hub.observed.faults.insert(key, fault);
    assert_eq!(self::said(&mut hub)["troubled"][0]["name"], "managed29");
}

/// The condition on the gateway's accounts, and the Events of a turn.
fn accounts(hub: &mut Hub) -> (String, usize) {
    let notes = hub.plan(&Key::Status).notes;
    let warned = notes.iter().filter(|it| it.reason == "AccountCanDoMore");
    let warned = warned.count();
    let said = said(hub);
    let conditions = said["conditions"].as_array().unwrap().iter();
    let mut conditions = conditions.map(|it| it.as_str().unwrap().to_owned());
    let condition = conditions.find(|it| it.starts_with("AccountsMinimal="));
    (condition.unwrap(), warned)
}

#[test]
fn an_account_that_can_do_more_than_impersonate_is_said_where_nobody_acts_as_it() {
    let mut hub = Hub::configured(Version::V1beta1);
    for cluster in ["managed1", "managed2"] {
        hub.accept(cluster, &json!({}));
    }
    hub.settle();
    let may = |hub: &mut Hub, cluster: &str, excess: &[&str]| {
        let gateways = hub.observed.gateways.as_mut().unwrap();
        let excess = excess.iter().map(ToString::to_string);
        gateways.get_mut(cluster).unwrap().excess = Some(excess.collect());
    };
    may(&mut hub, "managed1", &["everything"]);
    may(&mut hub, "managed2", &["get secrets"]);
    let holds = ("AccountsMinimal=True (NoneFound) ".to_owned(), 0);
    assert_eq!(accounts(&mut hub), holds, "no grant was used there");

    let record = ObjectKey::new(Kind::ConfigMap, "managed1", crds::gateway::ACCESS_RECORD);
    hub.write(&record, &json!({}));
    let (said, warned) = accounts(&mut hub);
    insta::assert_snapshot!(said);
    assert_eq!(warned, 1);
    // It is no fault of the gateway.
    assert!(
        self::said(&mut hub)["conditions"]
            .to_string()
            .contains("Degraded=False")
    );

    hub.configure(&json!({"identity": {"fallback": "Deny"}}));
    assert!(
        accounts(&mut hub)
            .0
            .contains("managed1 (everything), managed2 (get secrets); ")
    );
    for identity in [
        json!({"fallback": "Account"}),
        json!({"type": "ServiceAccount"}),
    ] {
        hub.configure(&json!({"identity": identity}));
        let (said, warned) = accounts(&mut hub);
        assert!(
            said.starts_with("AccountsMinimal=True (CallersActAsAccount)"),
            "{said}"
        );
        assert_eq!(warned, 0);
    }
    hub.configure(&json!({"identity": {"type": "Impersonate", "fallback": "Auto"}}));
    may(&mut hub, "managed1", &[]);
    assert_eq!(accounts(&mut hub), holds);
}

#[test]
fn only_some_of_many_clusters_whose_accounts_can_do_more_are_named() {
    let mut hub = Hub::configured(Version::V1beta1);
    hub.configure(&json!({"identity": {"fallback": "Deny"}, "credentials": {"type": "Manual"}}));
    let names: Vec<_> = (0..8).map(|index| format!("managed{index}")).collect();
    for name in &names {
        hub.accept(name, &json!({}));
    }
    hub.settle();
    for seen in hub.observed.gateways.as_mut().unwrap().values_mut() {
        seen.excess = Some(vec!["everything".to_owned()]);
    }
    let (said, _) = accounts(&mut hub);
    assert!(
        said.contains("managed4 (everything) and 3 more clusters; "),
        "{said}"
    );
    assert!(
        said.ends_with("the account of the cluster's Secret"),
        "{said}"
    );
}
