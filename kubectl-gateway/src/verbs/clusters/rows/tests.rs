//! Rows that combine the three sources.

use serde_json::{Value, json};

use super::*;

fn now() -> Timestamp {
    "2026-01-03T00:00:00Z".parse().unwrap()
}

fn gateway(name: &str, endpoint: &Value, status: &Value) -> ClusterGateway {
    serde_json::from_value(json!({
        "apiVersion": "cluster.core.oam.dev/v1alpha1", "kind": "ClusterGateway",
        "metadata": {"name": name, "creationTimestamp": "2026-01-02T23:00:00Z", "labels": {"env": "own"}},
        "spec": {"provider": "", "access": {
            "endpoint": endpoint, "credential": {"type": "ServiceAccountToken"},
        }},
        "status": status,
    }))
    .unwrap()
}

fn gateways() -> Vec<ClusterGateway> {
    let address = json!({"type": "Const", "const": {"address": "https://10.0.0.1:6443"}});
    vec![
        gateway(
            "b",
            &json!({"type": "ClusterProxy"}),
            &json!({"healthy": true}),
        ),
        gateway(
            "a",
            &address,
            &json!({"healthy": false, "healthyReason": "no route"}),
        ),
        gateway("c", &json!({"type": "ClusterProxy"}), &Value::Null),
    ]
}

fn grant(name: &str, spec: &Value, states: &Value) -> AccessGrant {
    let mut grant = json!({
        "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "AccessGrant",
        "metadata": {"name": name, "creationTimestamp": "2026-01-02T00:00:00Z"},
        "spec": {
            "clusters": {"names": ["a", "b"]}, "role": {"clusterRole": "view"},
            "subjects": [{"kind": "User", "name": "alice"}],
        },
        "status": {"clusterStates": states},
    });
    for (field, value) in spec.as_object().into_iter().flatten() {
        grant["spec"][field] = value.clone();
    }
    serde_json::from_value(grant).unwrap()
}

fn seen(grants: Vec<AccessGrant>) -> Seen {
    let cluster = |name: &str, env: &str| {
        json!({
            "apiVersion": "cluster.open-cluster-management.io/v1", "kind": "ManagedCluster",
            "metadata": {"name": name, "labels": {"env": env}}, "spec": {},
            "status": {"conditions": [{
                "type": AVAILABLE, "status": "True", "reason": "", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]},
        })
    };
    let clusters = json!([
        cluster("a", "prod"),
        cluster("b", "test"),
        cluster("other", "prod")
    ]);
    Seen {
        clusters: serde_json::from_value(clusters).unwrap(),
        grants: Some(grants),
        me: Me {
            name: "alice".to_owned(),
            groups: vec!["team".to_owned()],
        },
    }
}

fn cells(seen: &Seen, selector: &str) -> Vec<String> {
    let requirements = crds::label_selector::parse(selector).unwrap();
    let rows = of(&gateways(), seen, &requirements, now());
    rows.iter().map(|row| row.cells(now()).join("|")).collect()
}

#[test]
fn three_sources_are_one_row() {
    let applied = json!([{"name": "a", "state": "Applied", "since": "2026-01-02T00:00:00Z"}]);
    let seen = seen(vec![grant("own", &json!({}), &applied)]);
    assert_eq!(
        cells(&seen, ""),
        [
            "a|https://10.0.0.1:6443|False|True (2d)|60m|own (view)",
            "b|tunnel|True|True (2d)|60m|own (view, Pending)",
            "c|tunnel|Unknown|-|60m|-",
        ]
    );
    let complaint = of(&gateways(), &seen, &[], now())[0].complaint();
    assert_eq!(complaint.unwrap(), "a: no route");
}

#[test]
fn labels_are_those_of_the_managed_cluster_where_there_is_one() {
    let names = |selector: &str| {
        let rows = cells(&seen(Vec::new()), selector);
        rows.iter()
            .map(|row| row[..1].to_owned())
            .collect::<String>()
    };
    assert_eq!(
        (names("env=prod").as_str(), names("env=own").as_str()),
        ("a", "c")
    );
}

#[test]
fn grants_are_the_callers_own_and_everybodys() {
    let of = |subject: Value| json!({"subjects": [subject]});
    let gateway = || grant("all", &of(json!({"kind": "Gateway"})), &json!([]));
    let team = grant(
        "team",
        &of(json!({"kind": "Group", "name": "team"})),
        &json!([]),
    );
    let bot = json!({"kind": "ServiceAccount", "namespace": "ci", "name": "bot"});
    let others = grant("others", &of(bot), &json!([]));
    let own = |grants| {
        cells(&seen(grants), "env=prod")[0]
            .rsplit('|')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        own(vec![gateway(), team, others.clone()]),
        "all (view, Pending), team (view, Pending)"
    );
    assert_eq!(own(vec![gateway(), others.clone()]), "all (view, Pending)");
    let mut seen = seen(vec![others]);
    seen.me.name = "system:serviceaccount:ci:bot".to_owned();
    assert!(cells(&seen, "env=prod")[0].ends_with("others (view, Pending)"));
    seen.grants = None;
    assert!(cells(&seen, "env=prod")[0].ends_with("|?"));
}

#[test]
fn what_has_ended_or_is_taken_away_is_no_grant() {
    let removing = json!([{
        "name": "a", "state": "Pending", "reason": REMOVING, "since": "2026-01-02T00:00:00Z",
    }]);
    let grants = vec![
        grant("ended", &json!({"expiresAfter": "8h"}), &json!([])),
        grant("leaving", &json!({}), &removing),
    ];
    assert!(cells(&seen(grants), "env=prod")[0].ends_with("|-"));
}
