//! The changes that files would make.

use std::{fs, path::PathBuf};

use e2e::kubectl::Output;
use serde_json::json;

use crate::stage::{Stage, about, grant};

/// Placement `diff/placed`, which has chosen both clusters. Only one of them is in a set that it
/// may use.
async fn placed(stage: &Stage) {
    let group = "cluster.open-cluster-management.io";
    let namespace = ["create", "namespace", "diff"];
    stage.hub().kubectl(&namespace).ok().await.unwrap();
    stage
        .apply(&json!({
            "apiVersion": format!("{group}/v1beta2"), "kind": "ManagedClusterSet",
            "metadata": {"name": "prod"},
            "spec": {"clusterSelector": {
                "selectorType": "LabelSelector", "labelSelector": {"matchLabels": {"env": "prod"}},
            }},
        }))
        .await;
    stage
        .apply(&json!({
            "apiVersion": format!("{group}/v1beta2"), "kind": "ManagedClusterSetBinding",
            "metadata": {"name": "prod", "namespace": "diff"}, "spec": {"clusterSet": "prod"},
        }))
        .await;
    let bound = json!({"conditions": [{
        "type": "Bound", "status": "True", "reason": "Bound", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]});
    let binding = ["managedclustersetbinding", "prod", "-n", "diff"];
    stage.status(&binding, &bound).await;
    stage
        .apply(&json!({
            "apiVersion": format!("{group}/v1beta1"), "kind": "PlacementDecision",
            "metadata": {
                "name": "placed-1", "namespace": "diff", "labels": {format!("{group}/placement"): "placed"},
            },
        }))
        .await;
    let decisions = json!({"decisions": [
        {"clusterName": "managed1", "reason": ""}, {"clusterName": "managed2", "reason": ""},
    ]});
    let decision = ["placementdecision", "placed-1", "-n", "diff"];
    stage.status(&decision, &decisions).await;
}

/// Grants in a directory of files.
struct Files<'a> {
    stage: &'a Stage,
    directory: PathBuf,
}

impl Files<'_> {
    fn new<'a>(stage: &'a Stage, test: &str) -> Files<'a> {
        let directory = stage.world.directory().join(test);
        fs::create_dir(&directory).unwrap();
        Files { stage, directory }
    }

    fn write(&self, file: &str, text: &str) -> String {
        let path = self.directory.join(file);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    async fn diff(&self) -> Output {
        diff(self.stage, &self.directory.display().to_string()).await
    }
}

async fn diff(stage: &Stage, from: &str) -> Output {
    let args = ["grants", "diff", "-f", from];
    stage.plugin(&args).run().await.unwrap()
}

#[tokio::test]
async fn a_diff_says_who_gains_and_loses_what_where() {
    let stage = Stage::shared().await;
    placed(stage).await;
    let files = Files::new(stage, "diff-where");
    let both = json!({"clusters": {"names": ["managed1", "managed2"]}});
    let same = grant("frank-views", "frank", &both);
    stage.apply(&same).await;
    files.write("a.json", &same.to_string());
    let said = files.diff().await;
    assert_eq!(
        (said.status.code(), said.stdout.as_str()),
        (Some(0), ""),
        "{said}"
    );

    let clusters = json!({"clusters": {"placements": [{"namespace": "diff", "name": "placed"}]}});
    files.write(
        "a.json",
        &grant("frank-views", "frank", &clusters).to_string(),
    );
    let roles = json!({"role": {"clusterRole": "edit"}, "clusters": {"names": ["managed3"]}});
    let new = serde_saphyr::to_string(&grant("new", "gina", &roles)).unwrap();
    files.write("b.yaml", &new);
    let said = files.diff().await;
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert_eq!(
        said.stdout,
        "AccessGrant frank-views would change\n\
         - managed2: user:frank: view, everywhere\n\
         AccessGrant new would be created\n\
         + managed3 (the hub has no such cluster): user:gina: edit, everywhere\n"
    );
    let kept = ["get", "accessgrant", "new"];
    let kept = stage.hub().kubectl(&kept).run().await.unwrap();
    assert!(!kept.status.success(), "a diff changes nothing: {kept}");
}

#[tokio::test]
async fn a_diff_ends_as_that_of_kubectl_does() {
    let stage = Stage::shared().await;
    stage.apply(&grant("hugo-views", "hugo", &json!({}))).await;
    let stdin = stage.plugin(&["grants", "diff", "-f", "-"]);
    let other = grant("hugo-views", "ida", &json!({}));
    let said = stdin.stdin(other.to_string()).run().await.unwrap();
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert_eq!(
        about(&said.stdout, "managed1"),
        [
            "- managed1: user:hugo: view, everywhere",
            "+ managed1: user:ida: view, everywhere",
        ]
    );
    let files = Files::new(stage, "diff-ends");
    for (text, words) in [
        ("a: [", "is not valid YAML"),
        (
            "kind: Namespace",
            "none of the files contains an AccessGrant",
        ),
    ] {
        let wrong = files.write("wrong.yaml", text);
        let said = diff(stage, &wrong).await;
        assert_eq!(said.status.code(), Some(2), "{said}");
        assert!(said.stderr.contains(words), "{said}");
    }
    let missing = diff(stage, "/nowhere.yaml").await;
    assert_eq!(missing.status.code(), Some(2), "{missing}");
}
