//! Questions about who may do what on which cluster.

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::stage::{Stage, about, grant};

const EVA: &str = "eva-views";
const SHOP: &str = "shop-looks";

/// Eva may view both clusters, one of which is unreachable. The shop's people and robot may view a
/// little within their namespace on clusters whose environment is `prod`.
async fn granted() -> &'static Stage {
    static GRANTED: OnceCell<()> = OnceCell::const_new();
    let stage = Stage::shared().await;
    let grants = || async {
        let both = json!({
            "clusters": {"names": ["managed1", "managed2"]}, "expiresAfter": "8h",
        });
        stage.apply(&grant(EVA, "eva", &both)).await;
        let states = [
            ("managed1", "Applied", ""),
            ("managed2", "Pending", "Unreachable"),
        ];
        stage.carried_out(EVA, &states).await;
        let rules = json!([{
            "apiGroups": ["", "apps"], "resources": ["pods/log", "deployments"], "verbs": ["get"],
        }]);
        let shop = json!({
            "clusters": {"selector": {"matchLabels": {"env": "prod"}}},
            "role": {"rules": rules},
            "namespaces": {"names": ["shop"]},
            "subjects": [
                {"kind": "Group", "name": "shop"},
                {"kind": "ServiceAccount", "namespace": "ci", "name": "bot"},
            ],
        });
        stage.apply(&grant(SHOP, "", &shop)).await;
        let own = json!({"role": {"clusterRole": "own-role"}});
        stage.apply(&grant("eva-own", "eva", &own)).await;
    };
    GRANTED.get_or_init(grants).await;
    stage
}

#[tokio::test]
async fn who_can_is_answered_by_grants_and_the_roles_of_each_cluster() {
    let stage = granted().await;
    let asked = stage
        .plugin(&["who-can", "list", "pods"])
        .run()
        .await
        .unwrap();
    let head = about(&asked.stdout, "CLUSTER");
    assert_eq!(head, ["CLUSTER SUBJECT GRANT ROLE WHERE STATE UNTIL"]);
    let rows = about(&asked.stdout, EVA);
    let [one, two] = rows.as_slice() else {
        panic!("two rows of eva's: {asked}")
    };
    let end = [
        "get",
        "accessgrant",
        EVA,
        "-o",
        "jsonpath={.metadata.creationTimestamp}",
    ];
    let made = stage.hub().kubectl(&end).ok().await.unwrap();
    let made: jiff::Timestamp = made.parse().unwrap();
    let end = made + jiff::SignedDuration::from_hours(8);
    let applied = format!("managed1 user:eva eva-views view everywhere Applied {end}");
    let pending =
        format!("managed2 user:eva eva-views view everywhere Pending (Unreachable) {end}");
    assert_eq!((one, two), (&applied, &pending), "{asked}");
    assert!(about(&asked.stdout, SHOP).is_empty(), "{asked}");
    let notes = asked.stderr;
    let hubs = "managed2: cannot read its ClusterRole view, so the answer is based on the ClusterRole of the hub";
    assert!(notes.contains(hubs), "{notes}");
    assert!(
        notes.contains("managed1: ClusterRole own-role does not exist"),
        "{notes}"
    );
}

#[tokio::test]
async fn who_can_reads_resources_namespaces_and_labels() {
    let stage = granted().await;
    for (args, grants) in [
        (
            &["get", "po/log", "-n", "shop", "-l", "env=prod"][..],
            &[SHOP, SHOP, EVA][..],
        ),
        (&["get", "po/log", "-n", "till"], &[EVA, EVA]),
        (
            &["get", "deploy", "--clusters", "managed1"],
            &[SHOP, SHOP, EVA],
        ),
        (&["patch", "deployments/scale.apps"], &[]),
        (&["get", "deployments.apps", "-l", "env=test"], &[EVA]),
        (&["get", "secrets"], &[]),
        (&["delete", "nodes"], &[]),
    ] {
        let args = [&["who-can", "-o", "json"], args].concat();
        let rows: Value = serde_json::from_str(&stage.plugin(&args).ok().await.unwrap()).unwrap();
        let names = rows.as_array().unwrap().iter();
        let names = names.map(|row| row["grant"].as_str().unwrap());
        // Other tests create grants as well.
        let own: Vec<_> = names.filter(|name| [EVA, SHOP].contains(name)).collect();
        assert_eq!(own, grants, "{args:?}");
    }
    let unknown = ["who-can", "get", "pods", "--clusters", "managed9"];
    let unknown = stage.plugin(&unknown).run().await.unwrap();
    assert_eq!(unknown.status.code(), Some(1), "{unknown}");
    assert!(
        unknown
            .stderr
            .contains("the known clusters are managed1, managed2"),
        "{unknown}"
    );
}
