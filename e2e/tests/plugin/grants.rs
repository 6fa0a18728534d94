//! Grants from the command line.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use crate::stage::{SOON, Stage, about, grant};

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

#[tokio::test]
async fn a_grant_says_what_would_make_it_useless() {
    let stage = Stage::shared().await;
    let slip = [
        "grant",
        "user:erin",
        "--role",
        "veiw",
        "--clusters",
        "managed1",
    ];
    let slip = stage.plugin(&slip).run().await.unwrap();
    for words in ["no ClusterRole veiw on managed1", "did you mean view?"] {
        assert!(slip.stderr.contains(words), "{slip}");
    }
    let together = [
        "grant",
        "user:erin,finn",
        "--role",
        "view",
        "--clusters",
        "managed1",
    ];
    let together = stage.plugin(&together).run().await.unwrap();
    assert!(together.stderr.contains("without commas"), "{together}");
    assert!(!names(stage).await.contains("erin"));
}

#[tokio::test]
async fn a_grant_says_who_may_not_use_the_gateway_and_binds_them_if_asked() {
    let stage = Stage::shared().await;
    let granted = |more: &'static [&'static str]| {
        let args = [
            "grant",
            "user:erin",
            "group:shop",
            "--clusters",
            "managed1",
            "--wait=false",
        ];
        stage.plugin(&[&args[..], more].concat()).run()
    };
    let lacking = granted(&["--role", "view", "--for", "7d"]).await.unwrap();
    assert!(
        lacking.stdout.contains("accessgrant/erin-view created"),
        "{lacking}"
    );
    for words in [
        "user:erin may not use the gateway for managed1",
        "--clusterrole=spokeway-user --user=erin",
        "--group=shop",
    ] {
        assert!(lacking.stderr.contains(words), "{lacking}");
    }
    let get = ["get", "accessgrant", "erin-view", "-o", "json"];
    let stored = stage.hub().kubectl(&get).ok().await.unwrap();
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored["spec"]["expiresAfter"], "168h");
    assert_eq!(stored["spec"]["subjects"][1]["name"], "shop");

    // Another grant of the same role needs no name, and the right on the hub comes with it.
    let bound = granted(&["--role", "view", "--namespaces", "default", "--bind"])
        .await
        .unwrap();
    assert_eq!(
        bound.stdout,
        "accessgrant/erin-view-2 created\nclusterrolebinding/spokeway-user-erin-view-2 created\n"
    );
    let bound = granted(&["--role", "edit"]).await.unwrap();
    assert!(!bound.stderr.contains("may not use the gateway"), "{bound}");
}

#[tokio::test]
async fn a_caller_sees_its_own_clusters_and_grants_without_any_right() {
    let stage = Stage::shared().await;
    let gina = stage.user("gina");
    let none = stage.plugin_with(&gina, &["clusters"]).run().await.unwrap();
    assert!(
        none.stderr.contains("you have no grant on any cluster"),
        "{none}"
    );
    for (name, user) in [("gina-views", "gina"), ("hugo-views", "hugo")] {
        stage.apply(&grant(name, user, &json!({}))).await;
        stage
            .carried_out(name, &[("managed1", "Applied", "")])
            .await;
    }
    let seen = || async {
        let list = stage.plugin_with(&gina, &["clusters"]).ok().await;
        let list = list.map_err(|error| error.to_string())?;
        match &about(&list, "managed1")[..] {
            [line] if line == "managed1 True gina-views (view)" => Ok(list),
            _ => Err(list),
        }
    };
    let list = e2e::eventually(SOON, "its own clusters", seen)
        .await
        .unwrap();
    assert!(!list.contains("hugo"), "{list}");
    let raw = "/apis/cluster.core.oam.dev/v1alpha1/myclusters";
    let raw = stage.hub().kubectl_with(&gina, &["get", "--raw", raw]);
    let raw = raw.ok().await.unwrap();
    assert!(raw.contains("gina-views") && !raw.contains("hugo"), "{raw}");
    let file = gina
        .with_file_name("gina-managed1.yaml")
        .display()
        .to_string();
    let write = ["kubeconfig", "managed1", "-o", &file];
    stage.plugin_with(&gina, &write).ok().await.unwrap();
}

#[tokio::test]
async fn no_column_is_without_a_value() {
    let stage = Stage::shared().await;
    let rules =
        json!({"role": {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}});
    stage.apply(&grant("columns", "ivan", &rules)).await;
    for wide in [&[][..], &["-o", "wide"]] {
        let get = [&["get", "accessgrant,clustergateway"][..], wide].concat();
        let table = stage.hub().kubectl(&get).ok().await.unwrap();
        assert!(!table.contains("<no value>"), "{table}");
        assert!(table.contains("columns"), "{table}");
    }
}
