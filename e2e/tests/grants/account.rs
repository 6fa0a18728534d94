//! The gateway asks its account's rights on a cluster where nobody acts as it, and tells them.

use serde_json::{Value, json};

use crate::stage::{SOON, Stage, bind};
use e2e::eventually;

/// Waits until all replicas show these rights of the account beyond impersonation.
async fn shows(stage: &Stage, wanted: &Value) {
    let get = ["get", "clustergateway", "managed1", "-o", "json"];
    let shown = || async {
        let said = stage
            .hub()
            .kubectl(&get)
            .ok()
            .await
            .map_err(|it| it.to_string())?;
        let object: Value = serde_json::from_str(&said).unwrap();
        let excess = &object["status"]["excessRights"];
        if excess == wanted { Ok(()) } else { Err(said) }
    };
    eventually(SOON * 4, "the rights are shown", shown)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_account_that_can_do_more_than_impersonate_is_told_of_until_it_cannot() {
    let stage = Stage::start().await;
    let account = "--serviceaccount=spokeway-system:impersonator";
    bind(stage.spoke(), "too-much", "cluster-admin", account).await;
    stage
        .apply("alice-views", json!({"kind": "User", "name": "alice"}))
        .await;
    let list = ["get", "configmaps", "--namespace", "default"];
    stage
        .user("alice", &[])
        .hears(&list, "kube-root-ca.crt")
        .await;
    shows(&stage, &json!(["everything"])).await;

    let delete = ["delete", "clusterrolebinding", "too-much"];
    stage.spoke().kubectl(&delete).ok().await.unwrap();
    shows(&stage, &json!([])).await;
}
