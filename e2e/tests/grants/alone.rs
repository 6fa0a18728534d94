//! The gateway alone ends what grants allowed: here is no operator, nothing removes what is bound on
//! the spoke, and in the end the hub's API server is away as well.

use e2e::eventually;
use serde_json::{Value, json};

use crate::{
    smuggling::get,
    stage::{SOON, Stage},
};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";

/// The group whose right to use the gateway is not asked of the hub, which is away in the end.
const ADMINS: (&str, &str) = ("x-remote-group", "system:masters");

/// Waits until both gateways answer the user with this code, and returns the messages.
async fn answered(stage: &Stage, user: &str, path: &str, wanted: u16) -> Vec<Value> {
    let mut messages = Vec::new();
    for gateway in stage.replicas.each() {
        let asked = || async {
            let caller = [("x-remote-user", user), ADMINS];
            let (code, body) = get(gateway, path, &caller).await;
            if code == wanted {
                Ok(body)
            } else {
                Err(format!("{code}: {body}"))
            }
        };
        let what = format!("{user} gets {wanted}");
        let body = eventually(SOON * 3, &what, asked).await.unwrap();
        messages.push(body["message"].clone());
    }
    messages
}

/// A grant that is taken from the cluster, and one that an administrator no longer allows.
async fn beyond_its_bounds(stage: &Stage) {
    let named = |name: &str| json!({"kind": "User", "name": name});
    stage.apply("moved-views", named("moved")).await;
    stage.grant("capped-edits", named("capped"), None).await;
    let edit = json!({"role": {"clusterRole": "edit"}});
    stage.change("capped-edits", &edit).await;
    stage.ship("capped-edits").await;
    answered(stage, "moved", MAPS, 200).await;
    answered(stage, "capped", SECRETS, 200).await;

    let elsewhere = json!({"clusters": {"selector": null, "names": ["managed2"]}});
    stage.change("moved-views", &elsewhere).await;
    let said = answered(stage, "moved", MAPS, 403).await;
    let words = "has ended there: it does not select the cluster any more";
    assert!(said[0].as_str().unwrap().contains(words), "{said:?}");

    stage.cap(&["view", "admin"]).await;
    let said = answered(stage, "capped", SECRETS, 403).await;
    assert!(said[0].as_str().unwrap().contains("BeyondCap"), "{said:?}");
}

#[tokio::test]
async fn what_has_ended_is_refused_with_everybody_else_away_and_everything_still_bound() {
    let stage = Stage::start().await;
    let named = |name: &str| json!({"kind": "User", "name": name});
    stage.apply("edited-role", named("edited")).await;
    stage
        .change("edited-role", &json!({"role": {"clusterRole": "admin"}}))
        .await;
    stage.ship("edited-role").await;
    answered(&stage, "edited", SECRETS, 200).await;

    // Narrowed: admin is still bound, to a group that nobody has any more.
    stage
        .change("edited-role", &json!({"role": {"clusterRole": "view"}}))
        .await;
    let said = answered(&stage, "edited", SECRETS, 403).await;
    assert!(
        said[0].as_str().unwrap().contains("is pending there"),
        "{said:?}"
    );

    beyond_its_bounds(&stage).await;
    let lasts = Some("30s");
    stage.grant("short-views", named("short"), lasts).await;
    stage.ship("short-views").await;
    stage
        .grant("lobby", json!({"kind": "Gateway"}), lasts)
        .await;
    stage.ship("lobby").await;
    for user in ["short", "visitor"] {
        answered(&stage, user, MAPS, 200).await;
    }
    let visitor = [("x-remote-user", "visitor"), ADMINS];
    let path = format!("{MAPS}?labelSelector=by%21%3Dvisitor");
    let (code, _) = get(&stage.replicas.each()[0], &path, &visitor).await;
    assert_eq!(code, 200);
    let line = stage.audited("by%21%3Dvisitor").await;
    let is = &line["impersonatedUser"];
    assert_eq!(is["username"], crds::gateway::GROUP_MEMBER, "{line}");
    assert_eq!(is["extra"], json!({crds::gateway::USER_EXTRA: ["visitor"]}));

    stage.hub().stop_apiserver();
    for user in ["short", "visitor"] {
        let said = answered(&stage, user, MAPS, 403).await;
        assert!(
            said.iter()
                .all(|it| it.as_str().unwrap().contains("has ended there")),
            "{said:?}"
        );
    }
    for user in ["edited", "moved", "capped"] {
        answered(&stage, user, SECRETS, 403).await;
    }
    let bound = stage
        .spoke()
        .kubectl(&["get", "clusterrolebindings", "-o", "name"]);
    let bound = bound.ok().await.unwrap();
    for binding in [
        "edited-role-2",
        "moved-views-1",
        "capped-edits-2",
        "short-views-1",
        "lobby-1",
    ] {
        assert!(bound.contains(binding), "{bound}");
    }
}
