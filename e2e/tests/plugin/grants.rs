//! Grants from the command line.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use crate::stage::{SOON, Stage, about};

const GRANT: [&str; 4] = ["grant", "user:dora", "--role", "view"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&GRANT[..], more].concat()
}

async fn names(stage: &Stage) -> String {
    let get = ["get", "accessgrants", "-o", "name"];
    stage.hub().kubectl(&get).ok().await.unwrap()
}

#[tokio::test]
async fn a_dry_run_prints_what_would_be_and_stores_nothing() {
    let stage = Stage::shared().await;
    let rules = stage.world.directory().join("rules.yaml");
    fs::write(
        &rules,
        "- {apiGroups: [''], resources: [pods], verbs: [get]}\n",
    )
    .unwrap();
    let rules = rules.display().to_string();
    let dry = [
        "grant",
        "sa:ci/deployer",
        "--rules-file",
        &rules,
        "-l",
        "env in (prod),!old",
        "--placement",
        "team/all",
        "--namespaces",
        "shop",
        "--create-namespaces",
        "--for",
        "8h",
        "--dry-run",
    ];
    let said = stage.plugin(&dry).ok().await.unwrap();
    let grant: Value = serde_saphyr::from_str(&said).unwrap();
    assert_eq!(grant["metadata"]["name"], "ci-deployer-rules");
    assert!(
        grant["metadata"]["uid"].is_string(),
        "the hub has judged it: {said}"
    );
    let wanted = json!({
        "clusters": {
            "selector": {"matchExpressions": [
                {"key": "env", "operator": "In", "values": ["prod"]},
                {"key": "old", "operator": "DoesNotExist"},
            ]},
            "placements": [{"namespace": "team", "name": "all"}],
        },
        "subjects": [{"kind": "ServiceAccount", "namespace": "ci", "name": "deployer"}],
        "role": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
        "namespaces": {"names": ["shop"], "create": true},
        "expiresAfter": "8h",
    });
    assert_eq!(grant["spec"], wanted);
    assert!(!names(stage).await.contains("ci-deployer-rules"));
}

#[tokio::test]
async fn what_the_hub_refuses_is_said_in_its_own_words() {
    let stage = Stage::shared().await;
    let rules = json!([
        {
            "apiGroups": ["gateway.open-cluster-management.io"], "resources": ["accessgrants"],
            "verbs": ["create", "get", "list", "watch"],
        },
        {
            "apiGroups": ["cluster.core.oam.dev"], "resources": ["clustergateways"],
            "resourceNames": ["managed1"], "verbs": ["grant"],
        },
    ]);
    stage.may("granter", rules).await;
    let granter = stage.user("granter");
    let refused = |more: &'static [&'static str]| {
        let granter = granter.clone();
        async move {
            let args = with(&[&["--name", "refused", "--wait=false"], more].concat());
            let run = stage.plugin_with(&granter, &args).run().await.unwrap();
            if run.status.success() {
                Err("it was granted")
            } else {
                Ok(run)
            }
        }
    };
    // The API server compiles policies in the background.
    let beyond = || refused(&["--clusters", "managed1,managed2", "--dry-run"]);
    let said = e2e::eventually(SOON, "the policy holds", beyond)
        .await
        .unwrap();
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert!(
        said.stderr
            .contains("have it not on all of them: managed1, managed2"),
        "{said}"
    );
    for (more, words) in [
        (
            &["--clusters", "managed1", "--for", "0s"][..],
            "must be longer than 0s",
        ),
        (
            &["-l", "env=prod"],
            "a selector may come to choose any cluster",
        ),
        (
            &["--clusters", "managed1", "--namespaces", "No"],
            "spec.namespaces.names[0]",
        ),
    ] {
        let said = refused(more).await.unwrap();
        assert!(said.stderr.contains(words), "{said}");
    }
    assert!(!names(stage).await.contains("refused"));
    let usage = ["grant", "dora", "--role", "view", "--clusters", "managed1"];
    let usage = stage.plugin(&usage).run().await.unwrap();
    assert!(usage.stderr.contains("write user:NAME"), "{usage}");
}

#[tokio::test]
async fn a_grant_is_waited_for_and_its_clusters_are_told() {
    let stage = Stage::shared().await;
    let args = with(&["--clusters", "managed1,managed2", "--timeout", "30"]);
    let waiting = stage.plugin(&args).timeout(Duration::from_mins(1)).run();
    let operator = async {
        let (there, pending) = (
            ("managed1", "Applied", ""),
            ("managed2", "Pending", "Shipping"),
        );
        stage.carried_out("dora-view", &[there, pending]).await;
        let both = [there, ("managed2", "Applied", "")];
        stage.carried_out("dora-view", &both).await;
    };
    let (waited, ()) = tokio::join!(waiting, operator);
    let waited = waited.unwrap().ok().unwrap();
    assert_eq!(
        waited,
        "accessgrant/dora-view created\nmanaged1: Applied\nmanaged2: Applied\n"
    );

    let again = stage.plugin(&args).run().await.unwrap();
    assert!(again.stderr.contains("choose another --name"), "{again}");

    let args = with(&[
        "--clusters",
        "managed2",
        "--name",
        "dora-waits",
        "--timeout",
        "5",
    ]);
    let waiting = stage.plugin(&args).run();
    let pending = [("managed2", "Pending", "Unreachable")];
    let (waited, ()) = tokio::join!(waiting, stage.carried_out("dora-waits", &pending));
    let waited = waited.unwrap();
    assert_eq!(waited.status.code(), Some(1), "{waited}");
    assert_eq!(
        about(&waited.stdout, "managed2"),
        ["managed2: Pending: Unreachable"]
    );
    assert!(
        waited
            .stdout
            .contains("kubectl describe accessgrant dora-waits"),
        "{waited}"
    );
}
