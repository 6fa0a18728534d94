//! From an account to a token that works, no matter what others do to it.

use std::time::Instant;

use crds::authentication::{CA_KEY, FINALIZER, LABEL};
use e2e::{
    eventually,
    programs::{MANAGED_SERVICEACCOUNT_E2E, Programs},
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use super::stage::{NAMESPACE, SOON, Stage, account};

#[tokio::test]
async fn an_account_has_a_token_that_works_and_a_secret_as_upstream_writes_it() {
    let stage = Stage::start(&[]).await;
    // The agent sees everything first, so that only its work is timed.
    stage.create("warm-up", "1h").await;
    stage.usable_token("warm-up", None).await;
    let before = stage.calls().await;
    let begin = begin();
    stage.create("gateway", "1h").await;
    stage.usable_token("gateway", None).await;
    println!("account to usable token: {:?}", begin.elapsed());
    stage.says("gateway", "True TokenReported").await;
    println!(
        "calls for one account, its Event included: {}",
        stage.calls().await - before
    );

    let account = stage.accounts().get("gateway").await.unwrap();
    assert_eq!(
        account.metadata.finalizers.as_deref(),
        Some(&[FINALIZER.to_owned()][..])
    );
    let status = account.status.unwrap();
    assert_eq!(status.observed_generation, account.metadata.generation);
    assert_eq!(status.token_secret_ref.unwrap().name, "gateway");
    let secret = stage.secrets().get("gateway").await.unwrap();
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    assert_eq!(secret.metadata.labels.unwrap()[LABEL], "true");
    let owner = &secret.metadata.owner_references.unwrap()[0];
    assert_eq!(
        (owner.kind.as_str(), owner.controller),
        ("ManagedServiceAccount", None)
    );
    let data = secret.data.unwrap();
    assert_eq!(data[CA_KEY].0, stage.spoke().ca_pem().into_bytes());
    assert_eq!(data.len(), 2);
    let found = stage.service_accounts().get("gateway").await.unwrap();
    assert_eq!(found.metadata.labels.unwrap()[LABEL], "true");
    let events = [
        "-n",
        "managed1",
        "get",
        "events",
        "--field-selector=involvedObject.name=gateway",
    ];
    let told = || async {
        let events = stage.hub().kubectl(&events).ok().await.unwrap();
        if events.contains("TokenIssued") {
            Ok(())
        } else {
            Err(events)
        }
    };
    eventually(SOON, "an Event", told).await.unwrap();
}

#[tokio::test]
async fn what_others_do_to_secrets_and_service_accounts_is_healed() {
    let stage = Stage::start(&[]).await;
    stage.create("gateway", "1h").await;
    let first = stage.usable_token("gateway", None).await;
    let kept = json!({"metadata": {"labels": {"mine": "yes"}, "annotations": {"mine": "too"}}, "stringData": {"extra": "kept"}});
    stage.edit("gateway", kept).await;

    stage
        .edit("gateway", json!({"stringData": {"token": "fake"}}))
        .await;
    let begin = begin();
    stage.usable_token("gateway", Some("fake")).await;
    println!("garbage token healed after {:?}", begin.elapsed());
    assert!(begin.elapsed().as_millis() > 2_000, "visible for a moment");
    let secret = stage.secrets().get("gateway").await.unwrap();
    assert_eq!(secret.metadata.labels.unwrap()["mine"], "yes");
    assert_eq!(secret.metadata.annotations.unwrap()["mine"], "too");
    assert_eq!(secret.data.unwrap()["extra"].0, b"kept");

    stage
        .edit("gateway", json!({"stringData": {"ca.crt": "evil"}}))
        .await;
    let healed = || async {
        let data = stage.secrets().get("gateway").await.unwrap().data.unwrap();
        let is_right = data[CA_KEY].0 == stage.spoke().ca_pem().into_bytes();
        if is_right { Ok(()) } else { Err("evil") }
    };
    eventually(SOON, "the authority is healed", healed)
        .await
        .unwrap();

    let before = stage.token("gateway").await.unwrap();
    stage
        .secrets()
        .delete("gateway", &DeleteParams::default())
        .await
        .unwrap();
    stage.usable_token("gateway", Some(&before)).await;

    let before = stage.token("gateway").await.unwrap();
    stage
        .service_accounts()
        .delete("gateway", &DeleteParams::default())
        .await
        .unwrap();
    stage.usable_token("gateway", Some(&before)).await;
    // API servers cache authenticated tokens for a moment.
    stage.is_revoked(&before).await;
    stage.is_revoked(&first).await;
}

#[tokio::test]
async fn what_belongs_to_others_is_refused_and_left_alone() {
    let stage = Stage::start(&[]).await;
    let foreign = serde_json::from_value(json!({"metadata": {"name": "powerful"}})).unwrap();
    stage
        .service_accounts()
        .create(&PostParams::default(), &foreign)
        .await
        .unwrap();
    stage.create("powerful", "1h").await;
    let message = stage.says("powerful", "False ServiceAccountConflict").await;
    assert!(message.contains(NAMESPACE), "{message}");
    assert_eq!(stage.token("powerful").await, None);

    let foreign: Secret = serde_json::from_value(json!({
        "metadata": {"name": "import"}, "stringData": {"token": "somebody's"},
    }))
    .unwrap();
    stage
        .secrets()
        .create(&PostParams::default(), &foreign)
        .await
        .unwrap();
    stage.create("import", "1h").await;
    stage.says("import", "False SecretConflict").await;
    assert_eq!(stage.token("import").await.as_deref(), Some("somebody's"));
    let kept = stage.secrets().get("import").await.unwrap().metadata;
    assert!(
        kept.owner_references.is_none() && kept.labels.is_none(),
        "{kept:?}"
    );

    // Nor is it removed with an account that never owned it.
    for name in ["powerful", "import"] {
        stage.delete(name).await;
        stage.is_gone(name).await;
    }
    assert!(
        stage
            .service_accounts()
            .get_opt("powerful")
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(stage.token("import").await.as_deref(), Some("somebody's"));
    stage.create("import", "1h").await;
    stage.says("import", "False SecretConflict").await;

    // No other account is affected, and when the name is free the account is served.
    stage.create("gateway", "1h").await;
    stage.usable_token("gateway", None).await;
    stage
        .secrets()
        .delete("import", &DeleteParams::default())
        .await
        .unwrap();
    stage.usable_token("import", None).await;
    stage.says("import", "True TokenReported").await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_where_it_got_in_harms_nobody() {
    let stage = Stage::start(&[]).await;
    let create = async |account| {
        stage
            .accounts()
            .create(&PostParams::default(), &account)
            .await
    };
    let mut no_time = account("no-time", "1h");
    no_time.spec.ttl_seconds_after_creation = Some(0);
    for refused in [
        account("fruit", "banana"),
        account("short", "500s"),
        no_time,
    ] {
        match create(refused).await {
            Err(kube::Error::Api(status)) => assert_eq!(status.code, 422, "{status:?}"),
            other => panic!("{other:?}"),
        }
    }
    // With upstream's CRD, which accepts anything.
    let programs = Programs::ensure(&[&MANAGED_SERVICEACCOUNT_E2E]).unwrap();
    let definitions = programs.manifests("managed-serviceaccount-crds");
    let apply = [
        "apply",
        "--server-side",
        "-f",
        definitions.to_str().unwrap(),
    ];
    stage.hub().kubectl(&apply).ok().await.unwrap();
    let got_in = || async {
        let created = create(account("fruit", "banana")).await;
        created.map(drop).map_err(|error| error.to_string())
    };
    eventually(SOON, "upstream's definition counts", got_in)
        .await
        .unwrap();
    create(account("short", "500s")).await.unwrap();
    stage.says("fruit", "False InvalidValidity").await;
    stage.says("short", "False InvalidValidity").await;
    stage.create("gateway", "1h").await;
    stage.usable_token("gateway", None).await;
    stage.says("gateway", "True TokenReported").await;
    stage.agent.process().restart().unwrap();
    stage.create("later", "1h").await;
    stage.usable_token("later", None).await;
    assert_eq!(stage.token("fruit").await, None);
}

#[tokio::test]
async fn another_validity_counts_at_once() {
    let stage = Stage::start(&[]).await;
    stage.create("gateway", "24h").await;
    let first = stage.usable_token("gateway", None).await;
    stage
        .change(
            "gateway",
            json!({"spec": {"rotation": {"validity": "10m"}}}),
        )
        .await;
    let second = stage.usable_token("gateway", Some(&first)).await;
    stage.says("gateway", "True TokenReported").await;
    let issued = stage.metric("agent_tokens_issued_total", "").await;
    assert!((issued - 2.0).abs() < 0.1, "{issued}");
    assert_eq!(stage.token("gateway").await, Some(second));
}

#[tokio::test]
async fn audiences_are_those_that_were_asked_for() {
    let stage = Stage::start(&[]).await;
    stage.create("vault", "1h").await;
    let own = stage.usable_token("vault", None).await;
    stage
        .change("vault", json!({"spec": {"audiences": ["vault"]}}))
        .await;
    let other = || async {
        let token = stage.token("vault").await.filter(|token| *token != own);
        token.ok_or("the old token")
    };
    let token = eventually(SOON, "another token", other).await.unwrap();
    assert!(!stage.is_taken(&token).await, "it is for somebody else");
    stage.says("vault", "True TokenReported").await;
}

#[tokio::test]
async fn a_steady_cluster_costs_no_call_and_a_restart_one_review_each() {
    let stage = Stage::start(&[]).await;
    for name in ["a", "b", "c"] {
        stage.create(name, "1h").await;
        stage.says(name, "True TokenReported").await;
    }
    // The Events come after everything else.
    let settled = || async {
        let events = stage
            .metric("agent_tokens_api_calls_total", "create_event")
            .await;
        if events >= 3.0 {
            Ok(())
        } else {
            Err(events.to_string())
        }
    };
    eventually(SOON, "Events", settled).await.unwrap();
    let before = stage.calls().await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let calls = stage.calls().await - before;
    assert!(calls.abs() < 0.1, "{calls} calls while nothing happened");

    stage.agent.process().restart().unwrap();
    let reviewed = || async {
        if stage.agent.process().tail(200).to_string().is_empty() {
            return Err("no log".to_owned());
        }
        let reviews = stage
            .metric("agent_tokens_api_calls_total", "review_token")
            .await;
        if reviews >= 3.0 {
            Ok(())
        } else {
            Err(reviews.to_string())
        }
    };
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    eventually(SOON, "reviews", reviewed).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let calls = stage.calls().await;
    assert!((calls - 3.0).abs() < 0.1, "{calls} calls after a restart");
}

/// For figures that are printed, never for assertions about speed.
#[expect(clippy::disallowed_methods, reason = "measures")]
pub(crate) fn begin() -> Instant {
    Instant::now()
}
