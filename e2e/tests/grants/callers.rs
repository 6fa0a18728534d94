//! The users that callers act as, and the answer to callers that do not act as anybody yet.

use e2e::Credentials;
use serde_json::json;

use crate::stage::{ACCOUNT, SOON, Stage, bind, role};

const LIST: [&str; 4] = ["get", "configmaps", "--namespace", "default"];

#[tokio::test]
async fn without_a_grant_nobody_may_do_anything_on_a_cluster_that_has_grants() {
    let stage = Stage::shared().await;
    let refusal = |caller: &str| {
        format!(
            "managed cluster \"managed1\": no AccessGrant names hub user {caller:?} or one of its groups there; ask an \
             administrator of the hub for a grant: `kubectl gateway grant user:{caller} --role ROLE --clusters CLUSTER`"
        )
    };
    let nobody = stage.user("nobody", &["nothing"]);
    nobody
        .hears(&["get", "namespaces"], &refusal("nobody"))
        .await;
    // Not even the hub's admins, because their rights apply only to the hub.
    let admin = stage.caller("admin", stage.hub().admin());
    admin
        .hears(&["get", "namespaces"], "no AccessGrant names hub user")
        .await;
}

#[tokio::test]
async fn a_user_with_a_grant_is_itself_on_the_spoke() {
    let stage = Stage::shared().await;
    let alice = stage.user("alice", &["team-of-nobody", "system:masters-not"]);
    let subject = json!({"kind": "User", "name": "alice"});
    stage.apply("alice-views", subject).await;
    let list = [&LIST[..], &["-l", "by!=alice"]].concat();
    alice.hears(&list, "kube-root-ca.crt").await;
    let line = stage.audited("by%21%3Dalice").await;
    assert_eq!(line["user"]["username"], ACCOUNT);
    let is = &line["impersonatedUser"];
    assert_eq!(is["username"], "hub:alice", "{line}");
    let group = stage.group_of("alice-views").await;
    assert_eq!(is["groups"], json!([group, "system:authenticated"]));
    assert!(is["extra"].is_null() && is["uid"].is_null(), "{line}");
    // It may view, but nothing else.
    let create = ["create", "configmap", "x", "--namespace", "default"];
    let forbidden = alice
        .hears(&create, "is forbidden: User \"hub:alice\" cannot create")
        .await;
    assert!(!forbidden.contains(ACCOUNT), "{forbidden}");
}

#[tokio::test]
async fn a_member_of_a_group_is_nobody_else_and_the_audit_log_knows_who() {
    let stage = Stage::shared().await;
    let subject = json!({"kind": "Group", "name": "team"});
    stage.apply("team-views", subject).await;
    let bob = stage.user("bob", &["team", "another"]);
    let list = [&LIST[..], &["-l", "by!=bob"]].concat();
    bob.hears(&list, "kube-root-ca.crt").await;
    let line = stage.audited("by%21%3Dbob").await;
    let is = &line["impersonatedUser"];
    assert_eq!(is["username"], crds::gateway::GROUP_MEMBER, "{line}");
    let group = stage.group_of("team-views").await;
    assert_eq!(is["groups"], json!([group, "system:authenticated"]));
    assert_eq!(is["extra"], json!({crds::gateway::USER_EXTRA: ["bob"]}));
}

#[tokio::test]
async fn a_service_account_of_the_hub_is_none_of_the_spokes() {
    let stage = Stage::shared().await;
    let name = "hub:system:serviceaccount:ci:bot";
    let subject = json!({"kind": "ServiceAccount", "namespace": "ci", "name": "bot"});
    stage.apply("bot-views", subject).await;
    let token = stage.hub().service_account_token("ci", "bot", SOON * 240);
    let bot = stage.caller("bot", &Credentials::Token(token.await.unwrap()));
    let list = [&LIST[..], &["-l", "by!=bot"]].concat();
    bot.hears(&list, "kube-root-ca.crt").await;
    let line = stage.audited("by%21%3Dbot").await;
    assert_eq!(line["impersonatedUser"]["username"], name, "{line}");
    let groups = &line["impersonatedUser"]["groups"];
    let group = stage.group_of("bot-views").await;
    assert_eq!(*groups, json!([group, "system:authenticated"]), "{line}");
}

#[tokio::test]
async fn who_was_granted_something_that_does_not_hold_is_told_which_grant_and_why() {
    let stage = Stage::shared().await;
    let subject = json!({"kind": "User", "name": "late"});
    stage.grant("late-views", subject, None).await;
    let late = stage.user("late", &[]);
    stage.says("late-views", "Pending", "Bringing").await;
    let said = late.hears(&LIST, "is pending there").await;
    assert_eq!(
        said.trim(),
        "Error from server (Forbidden): managed cluster \"managed1\": AccessGrant \"late-views\", which names \
         you, is pending there (since 2026-01-01T00:00:00Z): Bringing: said by a test; see `kubectl describe \
         accessgrant late-views`"
    );
    stage.says("late-views", "Failed", "RoleMissing").await;
    let failed = "AccessGrant \"late-views\", which names you, is failing there (since 2026-01-01T00:00:00Z): RoleMissing";
    late.hears(&LIST, failed).await;
    stage.revoke("late-views").await;
    late.hears(&LIST, "no AccessGrant names hub user \"late\"")
        .await;
}

#[tokio::test]
async fn another_name_may_be_taken_where_the_hub_allows_it() {
    let stage = Stage::shared().await;
    let subject = json!({"kind": "User", "name": "target"});
    stage.apply("target-views", subject).await;
    let rules = json!([{
        "apiGroups": [""], "resources": ["users"], "resourceNames": ["target"], "verbs": ["impersonate"],
    }]);
    role(stage.hub(), "as-target", &rules).await;
    bind(stage.hub(), "as-target", "as-target", "--user=olga").await;
    let list = [&LIST[..], &["--as", "target", "-l", "by!=target"]].concat();
    stage
        .user("olga", &[])
        .hears(&list, "kube-root-ca.crt")
        .await;
    let line = stage.audited("by%21%3Dtarget").await;
    assert_eq!(line["impersonatedUser"]["username"], "hub:target", "{line}");
    let refusal = "\"target\" is forbidden: User \"mallory\" cannot impersonate";
    stage.user("mallory", &[]).hears(&list, refusal).await;
}
