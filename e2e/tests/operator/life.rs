//! The life of an operator: clusters that are no longer selected, operators that die, and a hub in
//! which nothing changes.

use std::time::Duration;

use e2e::{Operator, eventually, ocm::KlusterletOptions};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    hub::{AVAILABLE_WITHIN, SOON, kubectl, read, soon, tell},
    stage::Stage,
};

const QUIET: Duration = Duration::from_mins(1);
/// A Lease that nobody renews is free after 15 s.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn what_a_cluster_had_goes_with_it_and_a_quiet_hub_is_left_alone() {
    let by_token = KlusterletOptions {
        addon_tokens: true,
        ..Default::default()
    };
    let clusters = [
        ("managed1", KlusterletOptions::default()),
        ("managed2", by_token),
    ];
    let stage = Stage::set(&clusters, &[]).await;
    for cluster in ["managed1", "managed2"] {
        let label = ["label", "managedcluster", cluster, "gateway=on"];
        stage.kubectl(&label).await.unwrap();
    }
    let selector = json!({"clusters": {"selector": {"matchLabels": {"gateway": "on"}}}});
    stage.configure(&selector).await;
    for cluster in ["managed1", "managed2"] {
        soon(cluster, || stage.through(cluster, "/healthz")).await;
    }
    is_settled(&stage, 2).await;
    quiet_minute(&stage).await;
    the_standby_takes_over(&stage).await;

    for cluster in ["managed1", "managed2"] {
        let label = ["label", "managedcluster", cluster, "gateway-"];
        stage.kubectl(&label).await.unwrap();
        let begin = Instant::now();
        nothing_is_left(&stage, cluster).await;
        tell(&format!(
            "{cluster} left nothing after {:.1?}",
            begin.elapsed()
        ));
    }
    let delete = ["delete", "gatewayconfiguration", "default", "--timeout=30s"];
    stage.kubectl(&delete).await.unwrap();
    let left = stage
        .kubectl(&["get", LISTED, "-A", "-l", OURS, "-o", "name"])
        .await;
    assert_eq!(left.unwrap(), "");
}

const OURS: &str = "app.kubernetes.io/managed-by=spokeway-operator";
const LISTED: &str = "clustermanagementaddons,managedclusteraddons,manifestworks,managedserviceaccounts,rolebindings,clusterrolebindings,clusterroles,apiservices";

/// Waits until the configuration reports that all is well.
async fn is_settled(stage: &Stage, clusters: i64) {
    let settled = || async {
        let said = read(stage.hub(), &["gatewayconfiguration", "default"]).await?;
        let status = &said["status"];
        let holds = |kind: &str, wanted: &str| {
            let conditions = status["conditions"].as_array().into_iter().flatten();
            let mut own = conditions.filter(|it| it["type"] == kind);
            own.any(|it| it["status"] == wanted)
        };
        let well = holds("Available", "True") && holds("Degraded", "False");
        if well
            && status["clusters"]
                == json!({"total": clusters, "connected": clusters, "ready": clusters})
        {
            Ok(())
        } else {
            Err(status.to_string())
        }
    };
    eventually(
        AVAILABLE_WITHIN,
        "the configuration is carried out",
        settled,
    )
    .await
    .unwrap();
}

/// If nothing changes, nothing is written except the Lease of the leader.
async fn quiet_minute(stage: &Stage) {
    // By then the last effects of settling are over.
    sleep(Duration::from_secs(5)).await;
    let before = stage.writes_of_operators();
    sleep(QUIET).await;
    let after = stage.writes_of_operators();
    assert_eq!(after[before.len()..], [] as [String; 0]);
    tell(&format!(
        "no write in a quiet minute; {} before it",
        before.len()
    ));
}

async fn the_standby_takes_over(stage: &Stage) {
    let hub = stage.hub();
    let standby = Operator::start(hub, "operator-2", &[]).await.unwrap();
    stage.operator.kill();
    let begin = Instant::now();
    stage
        .kubectl(&["delete", "clusterrolebinding", "spokeway-agent-tunnel"])
        .await
        .unwrap();
    let repaired = || stage.kubectl(&["get", "clusterrolebinding", "spokeway-agent-tunnel"]);
    eventually(TAKEN_OVER_WITHIN, "the standby leads", repaired)
        .await
        .unwrap();
    tell(&format!("standby took over after {:.1?}", begin.elapsed()));
    // A leader that ends cleanly leaves no gap.
    stage.operator.process().restart().unwrap();
    standby.stop().await;
    let begin = Instant::now();
    stage
        .kubectl(&["delete", "clusterrolebinding", "spokeway-agent-tunnel"])
        .await
        .unwrap();
    eventually(SOON, "the other leads", repaired).await.unwrap();
    tell(&format!("handed over after {:.1?}", begin.elapsed()));
}

pub(crate) async fn nothing_is_left(stage: &Stage, cluster: &str) {
    let on_hub = || async {
        let kinds = "managedclusteraddons,manifestworks,managedserviceaccounts,rolebindings,secrets,serviceaccounts";
        let get = ["get", kinds, "-n", cluster, "-o", "name"];
        let left = stage.kubectl(&get).await?;
        let ours = |line: &&str| line.contains("cluster-gateway") || line.contains("spokeway");
        let left: Vec<_> = left.lines().filter(ours).collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join(", "))
        }
    };
    soon("nothing of a cluster is left on the hub", on_hub).await;
    let spoke = stage.world.cluster(cluster);
    let on_spoke = || async {
        let kinds = "deployments,serviceaccounts,roles,rolebindings,secrets,clusterroles,clusterrolebindings,namespaces";
        let left = kubectl(spoke, &["get", kinds, "-A", "-o", "name"]).await?;
        let ours = |line: &&str| {
            line.contains("cluster-gateway")
                || line.contains("spokeway")
                || line.contains("managed-serviceaccount")
        };
        let left: Vec<_> = left.lines().filter(ours).collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join(", "))
        }
    };
    soon("nothing of ours is left on the cluster", on_spoke).await;
    let kubelet = &stage.kubelets[cluster];
    let ended = || async {
        if kubelet.running() == 0 {
            Ok(())
        } else {
            Err("an agent still runs")
        }
    };
    soon("the agent ends", ended).await;
    assert!(stage.through(cluster, "/healthz").await.is_err());
}
