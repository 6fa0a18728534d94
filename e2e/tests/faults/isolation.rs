//! One cluster that is slow or broken delays no other. It is reported with a reason, and in the
//! operator's metrics.

use std::time::UNIX_EPOCH;

use e2e::eventually;
use tokio::time::Instant;

use crate::{
    hub::{AVAILABLE_WITHIN, soon, tell},
    quick::{Quick, policy},
};

const OTHERS: usize = 50;

#[tokio::test]
async fn a_slow_and_a_broken_cluster_delay_no_other_and_are_named() {
    let quick = Quick::set().await;
    let denied = policy(
        "broken-cluster",
        "work.open-cluster-management.io",
        "manifestworks",
        "request.namespace == 'broken'",
    );
    let apply = quick.hub().kubectl(&["apply", "-f", "-"]).stdin(denied);
    apply.ok().await.unwrap();
    let held = quick.interposer.hold("slow");
    for cluster in ["slow", "broken"] {
        quick.accept(cluster).await;
    }
    let others: Vec<_> = (0..OTHERS)
        .map(|number| format!("other{number:02}"))
        .collect();
    let others: Vec<_> = others.iter().map(String::as_str).collect();
    for cluster in &others {
        quick.accept(cluster).await;
    }
    let begin = Instant::now();
    // If anything waited for the slow cluster, it would wait for as long as the cluster is held.
    let enrolled = || quick.are_enrolled(&others);
    let others_are = eventually(AVAILABLE_WITHIN, "the others have their works", enrolled);
    others_are.await.unwrap();
    tell(&format!(
        "{OTHERS} clusters beside a slow and a broken one: {:.1?}",
        begin.elapsed()
    ));
    quick.are_enrolled(&["slow"]).await.unwrap_err();
    the_broken_one_is_named(&quick).await;
    let said = soon("the slow one is named", || {
        quick.trouble("slow", "TimedOut")
    })
    .await;
    assert!(
        said.contains("slow/") && said.contains("the hub did not answer within 15 s"),
        "{said}"
    );
    the_metrics_say_so(&quick).await;

    drop(held);
    for kind in ["policybinding", "policy"] {
        let kind = format!("validatingadmission{kind}");
        quick
            .kubectl(&["delete", &kind, "broken-cluster"])
            .await
            .unwrap();
    }
    soon("both are enrolled", || {
        quick.are_enrolled(&["slow", "broken"])
    })
    .await;
}

async fn the_broken_one_is_named(quick: &Quick) {
    // A policy takes effect after a moment. Until then deleted objects are created again.
    let refused = || async {
        let delete = ["delete", "manifestworks", "--all", "-n", "broken"];
        quick.kubectl(&delete).await?;
        quick.trouble("broken", "Invalid").await
    };
    let said = soon("the broken one is named", refused).await;
    assert!(
        said.contains("ManifestWork broken/") && said.contains("not on my watch"),
        "{said}"
    );
    quick.are_enrolled(&["broken"]).await.unwrap_err();
}

async fn the_metrics_say_so(quick: &Quick) {
    let writes = async |result| {
        let labels = ["kind=\"ManifestWork\"", result];
        quick.metric("operator_writes_total", &labels).await
    };
    assert!(writes("result=\"Invalid\"").await >= 1.0);
    assert!(writes("result=\"ok\"").await >= 50.0);
    let of_clusters = ["key=\"cluster\""];
    let failed = [of_clusters[0], "result=\"failed\""];
    assert!(quick.metric("operator_reconciles_total", &failed).await >= 2.0);
    let name = "operator_reconcile_duration_seconds_count";
    assert!(quick.metric(name, &of_clusters).await >= 50.0);
    assert!(quick.metric("operator_leading", &[]).await > 0.0);
    let reconciled = quick.metric("operator_hub_reconciled_timestamp_seconds", &[]);
    let now = e2e::wall_clock().duration_since(UNIX_EPOCH).unwrap();
    let ago = now.as_secs_f64() - reconciled.await;
    assert!((-2.0..=120.0).contains(&ago), "{ago} s ago");
    let counted = || async {
        let total = quick
            .metric("operator_clusters", &["state=\"total\""])
            .await;
        if total > 51.5 { Ok(()) } else { Err(total) }
    };
    soon("all clusters are counted", counted).await;
    let ready = ["state=\"ready\""];
    assert!(quick.metric("operator_clusters", &ready).await < 0.5);
}
