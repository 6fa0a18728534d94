//! Contexts for managed clusters, and the list of managed clusters.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD as STANDARD};
use serde_json::{Value, json};

use crate::stage::{Stage, about};

/// A directory of this test with the admin's kubeconfig. Like a real user's it has fields that the
/// plugin does not know.
fn kubeconfig(stage: &Stage, test: &str) -> (PathBuf, Value) {
    let directory = stage.world.directory().join(test);
    fs::create_dir(&directory).unwrap();
    let mut config = serde_json::to_value(stage.hub().kubeconfig()).unwrap();
    config["future"] = json!({"kept": ["yes", "0123", null, 1.5]});
    config["users"][0]["unknown"] = json!({"of": "mine"});
    config["contexts"][0]["context"]["namespace"] = "default".into();
    config["extensions"] = json!([{"name": "tool", "extension": {"since": "2026-01-01"}}]);
    let path = directory.join("config");
    fs::write(&path, serde_saphyr::to_string(&config).unwrap()).unwrap();
    (path, config)
}

fn read(path: &Path) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The key by which a cluster is distinguished from others.
async fn identity(stage: &Stage, kubeconfig: &Path, context: &str) -> String {
    let uid = "jsonpath={.metadata.uid}";
    let get = [
        "--context",
        context,
        "get",
        "namespace",
        "kube-system",
        "-o",
        uid,
    ];
    let get = stage.hub().kubectl_with(kubeconfig, &get);
    get.ok().await.unwrap()
}

async fn managed1(stage: &Stage) -> String {
    let path = stage.world.cluster("managed1").kubeconfig_path();
    identity(stage, &path, "e2e").await
}

#[tokio::test]
async fn a_context_reaches_the_managed_cluster_and_the_rest_of_the_file_stays() {
    let stage = Stage::shared().await;
    let (path, before) = kubeconfig(stage, "contexts");
    let write = stage.plugin_with(&path, &["kubeconfig", "managed1"]);
    let said = write.ok().await.unwrap();
    let hint = format!(
        "kubectl --kubeconfig {} --context managed1 get namespaces",
        path.display()
    );
    assert!(said.contains(&hint), "{said}");
    let own = managed1(stage).await;
    assert_eq!(identity(stage, &path, "managed1").await, own);
    assert_ne!(identity(stage, &path, "e2e").await, own);

    let mut after = read(&path);
    let added = |list: &str| after[list][1].clone();
    let server = added("clusters")["cluster"]["server"].clone();
    let proxy = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy";
    assert_eq!(server, format!("{}{proxy}", stage.hub().url()));
    assert_eq!(
        added("contexts")["context"],
        json!({"cluster": "managed1", "user": "e2e"})
    );
    for list in ["clusters", "contexts"] {
        after[list].as_array_mut().unwrap().pop();
    }
    assert_eq!(after, before, "no secret more, and nothing less");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // A cluster's context stands for its hub, even if it is the current one.
    let again = stage.plugin_with(&path, &["kubeconfig", "managed1", "--use"]);
    again.ok().await.unwrap();
    assert_eq!(read(&path)["current-context"], "managed1");
    let list = stage.plugin_with(&path, &["clusters"]).ok().await.unwrap();
    assert_eq!(about(&list, "managed1").len(), 1, "{list}");
}

#[tokio::test]
async fn another_file_has_all_that_it_takes() {
    let stage = Stage::shared().await;
    let (path, before) = kubeconfig(stage, "output");
    let output = path.with_file_name("managed1.yaml");
    let file = output.display().to_string();
    let write = [
        "kubeconfig",
        "managed1",
        "--name",
        "m1",
        "--output",
        &file,
        "--use",
    ];
    stage.plugin_with(&path, &write).ok().await.unwrap();
    assert_eq!(read(&path), before, "the one in use stays");
    assert_eq!(identity(stage, &output, "m1").await, managed1(stage).await);
    assert_eq!(read(&output)["current-context"], "m1");
    // The first context of a file is its current one.
    let first = path.with_file_name("first.yaml");
    let file = first.display().to_string();
    let write = ["kubeconfig", "managed1", "-o", &file];
    let said = stage.plugin_with(&path, &write).ok().await.unwrap();
    assert!(said.contains(&format!("--kubeconfig {file}")), "{said}");
    assert_eq!(read(&first)["current-context"], "managed1");

    let print = ["kubeconfig", "managed1", "-o", "-"];
    let printed = stage.plugin_with(&path, &print).ok().await.unwrap();
    assert!(!Path::new("-").exists());
    let printed_to = path.with_file_name("printed.yaml");
    fs::write(&printed_to, printed).unwrap();
    assert_eq!(read(&printed_to), read(&first));
    let user = &read(&output)["users"][0];
    assert_eq!(user["user"], before["users"][0]["user"]);
}

#[tokio::test]
async fn of_several_files_the_one_with_the_user_is_written() {
    let stage = Stage::shared().await;
    let (first, mut config) = kubeconfig(stage, "several");
    let second = first.with_file_name("users");
    let users = json!({"kind": "Config", "apiVersion": "v1", "users": config["users"].take()});
    fs::write(&second, users.to_string()).unwrap();
    config.as_object_mut().unwrap().remove("users");
    let text = serde_saphyr::to_string(&config).unwrap();
    fs::write(&first, &text).unwrap();
    let missing = first.with_file_name("missing");
    let list = [&missing, &first, &second].map(|it| it.display().to_string());
    let list = PathBuf::from(list.join(":"));
    let write = ["kubeconfig", "managed1", "--context", "e2e"];
    stage.plugin_with(&list, &write).ok().await.unwrap();
    assert_eq!(fs::read_to_string(&first).unwrap(), text);
    assert_eq!(read(&second)["contexts"][0]["name"], "managed1");
    assert_eq!(
        identity(stage, &list, "managed1").await,
        managed1(stage).await
    );
}

#[tokio::test]
async fn what_is_not_served_or_in_the_way_is_refused() {
    let stage = Stage::shared().await;
    let (path, _) = kubeconfig(stage, "refused");
    let before = fs::read_to_string(&path).unwrap();
    for (args, words) in [
        (
            &["kubeconfig", "managed9"][..],
            "the gateway serves no cluster managed9; it serves managed1",
        ),
        (
            &["kubeconfig", "managed1", "--name", "e2e"],
            "already has a different cluster e2e",
        ),
        (
            &["clusters", "--context", "prod"],
            "no context prod; it has e2e",
        ),
        (
            &["clusters", "--kubeconfig", "/nowhere"],
            "none of /nowhere exists",
        ),
    ] {
        let refused = stage.plugin_with(&path, args).run().await.unwrap();
        assert_eq!(refused.status.code(), Some(1), "{refused}");
        assert!(refused.stderr.contains(words), "{refused}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}

#[tokio::test]
async fn clusters_are_listed_with_what_one_may_do_there() {
    let stage = Stage::shared().await;
    let rules = json!([
        {"apiGroups": ["cluster.core.oam.dev"], "resources": ["clustergateways"], "verbs": ["get", "list"]},
        {
            "apiGroups": ["gateway.open-cluster-management.io"], "resources": ["accessgrants"],
            "verbs": ["get", "list"],
        },
    ]);
    stage.may("lister", rules).await;
    stage.apply(&grant_of("lister-views", "lister")).await;
    let applied = [("managed1", "Applied", "")];
    stage.carried_out("lister-views", &applied).await;
    let kubeconfig = stage.user("lister");
    let listed = stage
        .plugin_with(&kubeconfig, &["clusters"])
        .run()
        .await
        .unwrap();
    let listed_out = listed.stdout.clone();
    let head = about(&listed_out, "NAME");
    assert_eq!(head, ["NAME REACHED BY HEALTHY AVAILABLE AGE GRANTS"]);
    let row = &about(&listed_out, "managed1")[0];
    assert!(
        row.contains(&format!(
            "managed1 {} ",
            stage.world.cluster("managed1").url()
        )),
        "{row}"
    );
    assert!(row.ends_with("lister-views (view)"), "{row}");
    assert!(
        listed
            .stderr
            .contains("note: the list is shown without ManagedClusters"),
        "{listed}"
    );

    let json = ["clusters", "-l", "env=prod", "-o", "json"];
    let json: Value = serde_json::from_str(&stage.plugin(&json).ok().await.unwrap()).unwrap();
    assert_eq!(json[0]["name"], "managed1");
    let none = stage
        .plugin(&["clusters", "-l", "env=test"])
        .run()
        .await
        .unwrap();
    assert!(none.status.success() && none.stdout.is_empty(), "{none}");
    let nobody = stage.user("nobody");
    let nothing = stage
        .plugin_with(&nobody, &["clusters"])
        .run()
        .await
        .unwrap();
    assert!(nothing.stdout.is_empty(), "{nothing}");
    assert!(
        nothing.stderr.contains("you have no grant on any cluster"),
        "{nothing}"
    );
}

fn grant_of(name: &str, user: &str) -> Value {
    crate::stage::grant(name, user, &json!({}))
}

#[tokio::test]
async fn a_context_leads_straight_to_the_gateway_if_the_hub_allows_that() {
    let stage = Stage::shared().await;
    let (path, _) = kubeconfig(stage, "direct");
    let write = ["kubeconfig", "managed1", "--direct", "--name", "straight"];
    let configure = async |enabled: bool| {
        let gateway = &stage.gateway;
        stage
            .apply(&json!({
                "apiVersion": "gateway.open-cluster-management.io/v1alpha1", "kind": "GatewayConfiguration",
                "metadata": {"name": "default"},
                "spec": {"server": {
                    "deployment": "External",
                    "external": {"caBundle": STANDARD.encode(gateway.ca_pem())},
                    "directAccess": {"enabled": enabled, "hostname": "127.0.0.1", "port": gateway.port()},
                }},
            }))
            .await;
    };
    configure(false).await;
    let refused = stage.plugin_with(&path, &write).run().await.unwrap();
    assert!(
        refused.stderr.contains("spec.server.directAccess.enabled"),
        "{refused}"
    );
    configure(true).await;
    stage.plugin_with(&path, &write).ok().await.unwrap();
    let proxy = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/managed1/proxy";
    let server = read(&path)["clusters"][1]["cluster"]["server"].clone();
    assert_eq!(server, format!("{}{proxy}", stage.gateway.url()));
    assert_eq!(
        identity(stage, &path, "straight").await,
        managed1(stage).await
    );
}
