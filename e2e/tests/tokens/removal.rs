//! The end of accounts: the token becomes invalid on the managed cluster, no matter what was down.

use std::time::Duration;

use e2e::{Process, eventually, process::Spec};
use kube::api::PostParams;
use serde_json::json;

use super::stage::{SOON, Stage, account};

#[tokio::test]
async fn a_deleted_account_takes_its_token_along() {
    let stage = Stage::start(&[]).await;
    stage.create("gateway", "1h").await;
    let token = stage.usable_token("gateway", None).await;
    stage.delete("gateway").await;
    stage.is_revoked(&token).await;
    stage.is_gone("gateway").await;
    assert_eq!(stage.token("gateway").await, None);
    assert!(
        stage
            .service_accounts()
            .get_opt("gateway")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn an_account_deleted_while_the_agent_is_down_waits_for_it() {
    let stage = Stage::start(&[]).await;
    for name in ["held", "forced"] {
        stage.create(name, "1h").await;
    }
    let held = stage.usable_token("held", None).await;
    let forced = stage.usable_token("forced", None).await;
    stage.says("forced", "True TokenReported").await;
    stage.agent.kill();
    for name in ["held", "forced"] {
        stage.delete(name).await;
    }
    // A client gives up waiting for one of them.
    stage
        .change("forced", json!({"metadata": {"finalizers": null}}))
        .await;
    stage.is_gone("forced").await;
    assert!(
        stage.accounts().get_opt("held").await.unwrap().is_some(),
        "the finalizer holds it"
    );
    stage.agent.process().restart().unwrap();
    stage.is_revoked(&held).await;
    stage.is_revoked(&forced).await;
    stage.is_gone("held").await;
}

#[tokio::test]
async fn a_managed_cluster_that_is_away_holds_accounts_for_a_bounded_time() {
    let stage = Stage::start(&["--revocation-timeout=8"]).await;
    stage.create("gateway", "1h").await;
    let token = stage.usable_token("gateway", None).await;
    stage.says("gateway", "True TokenReported").await;
    stage.spoke().stop_apiserver();
    stage.delete("gateway").await;
    let message = stage.says("gateway", "False RevocationPending").await;
    assert!(message.contains("kubectl -n managed1"), "{message}");
    stage.is_gone("gateway").await;
    let abandoned = stage.metric("agent_tokens_abandoned_total", "").await;
    assert!((abandoned - 1.0).abs() < 0.1, "{abandoned}");
    stage.spoke().start_apiserver().await.unwrap();
    stage.is_revoked(&token).await;
}

#[tokio::test]
async fn a_hub_that_was_away_loses_and_doubles_nothing() {
    let stage = Stage::start(&[]).await;
    stage.create("gateway", "1h").await;
    let token = stage.usable_token("gateway", None).await;
    stage.says("gateway", "True TokenReported").await;
    stage.hub().stop_apiserver();
    stage
        .service_accounts()
        .delete("gateway", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    stage.hub().start_apiserver().await.unwrap();
    stage.usable_token("gateway", Some(&token)).await;
    stage.says("gateway", "True TokenReported").await;
    let requests = stage
        .metric("agent_tokens_api_calls_total", "request_token")
        .await;
    assert!(
        (requests - 2.0).abs() < 0.1,
        "{requests} tokens for two Secrets"
    );
}

#[tokio::test]
async fn an_account_ends_to_the_second_and_is_not_served_by_then() {
    let stage = Stage::start(&[]).await;
    let mut short = account("short", "1h");
    short.spec.ttl_seconds_after_creation = Some(4);
    short.metadata.finalizers = Some(vec!["e2e.test/hold".to_owned()]);
    stage
        .accounts()
        .create(&PostParams::default(), &short)
        .await
        .unwrap();
    let token = stage.usable_token("short", None).await;
    stage.is_revoked(&token).await;
    let ended = stage.accounts().get("short").await.unwrap().metadata;
    let created = ended.creation_timestamp.unwrap().0;
    let lived = ended
        .deletion_timestamp
        .unwrap()
        .0
        .duration_since(created)
        .as_secs();
    println!("lived {lived} s of 4");
    assert!((4..=5).contains(&lived), "lived {lived} s");
    let gone = || async {
        stage
            .token("short")
            .await
            .map_or(Ok(()), |_| Err("a Secret"))
    };
    eventually(SOON, "the Secret is gone", gone).await.unwrap();
    stage
        .change(
            "short",
            json!({"metadata": {"annotations": {"touch": "me"}}}),
        )
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(
        stage.token("short").await,
        None,
        "a terminating account is not served"
    );
    stage
        .change("short", json!({"metadata": {"finalizers": null}}))
        .await;
    stage.is_gone("short").await;
}

#[tokio::test]
async fn an_uninstall_leaves_no_token_and_no_finalizer_though_the_agent_runs() {
    let stage = Stage::start(&[]).await;
    let mut tokens = Vec::new();
    for name in ["a", "b"] {
        stage.create(name, "1h").await;
        tokens.push(stage.usable_token(name, None).await);
        stage.says(name, "True TokenReported").await;
    }
    let pid = stage.agent.process().pid().unwrap();
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let words = arguments
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty());
    let words: Vec<_> = words
        .map(|word| String::from_utf8(word.to_vec()).unwrap())
        .collect();
    let directory = stage.spoke().directory().to_owned();
    let revoke = Process::start(Spec {
        name: "agent revoke".to_owned(),
        program: words[0].clone().into(),
        args: ["revoke".to_owned()]
            .into_iter()
            .chain(words[1..].to_vec())
            .collect(),
        env: Vec::new(),
        log: directory.join("revoke.log"),
        directory,
    });
    let revoke = revoke.unwrap();
    let ended = || async { revoke.exited().ok_or("still running") };
    let ended = eventually(Duration::from_secs(70), "it ends", ended)
        .await
        .unwrap();
    assert!(ended.success(), "{}", revoke.tail(20));
    for token in &tokens {
        stage.is_revoked(token).await;
    }
    for name in ["a", "b"] {
        let account = stage.accounts().get(name).await.unwrap();
        assert_eq!(account.metadata.finalizers, None, "{name}");
        stage.says(name, "False Retired").await;
    }
    let left = stage
        .service_accounts()
        .list_metadata(&kube::api::ListParams::default())
        .await
        .unwrap();
    let left: Vec<_> = left
        .items
        .into_iter()
        .filter_map(|left| left.metadata.name)
        .collect();
    assert!(
        left.iter()
            .all(|name| name == "default" || name == "spokeway-tokens-retired"),
        "{left:?}"
    );
}
