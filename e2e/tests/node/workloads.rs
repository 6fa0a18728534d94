//! Workloads on a node: they are applied, scheduled and watched, and their output is read.

use std::time::Duration;

use e2e::node::IMAGE;
use serde_json::json;

use crate::stage::{PATIENCE, Stage, WAYS, pod};

const SOON: Duration = Duration::from_secs(20);
const PROMPTLY: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_deployment_is_applied_watched_and_rolled_out() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    let watch = ["get", "pods", "-w", "--output-watch-events", "-l=app=web"];
    let mut watch = stage.kubectl(&watch).spawn().unwrap();
    let labels = json!({"app": "web"});
    let mut template = pod("web", &["serve", "8080"]);
    template["metadata"] = json!({"labels": labels});
    stage
        .apply(&json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 2, "selector": {"matchLabels": labels},
                "template": {"metadata": template["metadata"], "spec": template["spec"]},
            },
        }))
        .await;
    let rollout = ["rollout", "status", "deployment/web", "--timeout=60s"];
    let rollout = stage.kubectl(&rollout).timeout(PATIENCE);
    rollout.ok().await.unwrap();
    let added = watch.line_with("ADDED", SOON).await.unwrap();
    assert!(added.unwrap().contains("web-"));
    let running = watch.line_with("Running", SOON).await.unwrap();
    assert!(running.unwrap().contains("web-"));

    let images = "-o=jsonpath={.items[*].spec.containers[*].image}";
    let pods = stage.kubectl(&["get", "pods", "-l=app=web", images]);
    assert_eq!(pods.ok().await.unwrap(), format!("{IMAGE} {IMAGE}"));
    let logs = stage.kubectl(&["logs", "deployment/web"]).ok().await;
    assert_eq!(logs.unwrap(), "serving on :8080\n");
    watch.kill().await;
}

#[tokio::test]
async fn logs_are_followed_line_by_line_to_the_end() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    stage.pod("logs", &["lines", "30", "100"]).await;
    let follow = |way| stage.kubectl_by(way, &["logs", "-f", "logs"]).spawn();
    let mut followers = WAYS.map(|way| (way, follow(way).unwrap()));
    for (way, logs) in &mut followers {
        for number in 0..30 {
            let line = logs.line(PROMPTLY).await.unwrap();
            assert_eq!(line, Some(format!("line {number}")), "{way:?}");
        }
    }
    let delete = ["delete", "pod", "logs", "--wait=false"];
    stage.kubectl(&delete).ok().await.unwrap();
    for (way, mut logs) in followers {
        assert_eq!(logs.line(SOON).await.unwrap(), None, "{way:?}");
        let ended = logs.wait().await;
        assert!(ended.status.success(), "{way:?}: {ended}");
    }
}

#[tokio::test]
async fn attach_reaches_the_process_that_runs() {
    let Some(stage) = Stage::shared().await else {
        return;
    };
    stage.pod("attach", &["cat"]).await;
    for way in WAYS {
        let mut attached = stage
            .kubectl_by(way, &["attach", "-i", "--quiet", "attach"])
            .spawn()
            .unwrap();
        for word in ["once", "more"] {
            attached.write(format!("{word}\n").as_bytes()).unwrap();
            let line = attached.line(SOON).await.unwrap();
            assert_eq!(line.as_deref(), Some(word), "{way:?}");
        }
        attached.kill().await;
    }
}
