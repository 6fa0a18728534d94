//! Lost connections and leaders: watches that break, and a leader that dies between two writes.

use e2e::{
    Operator, eventually,
    interposer::{Call, Moment},
};
use http::Method;
use tokio::time::Instant;

use crate::{
    hub::{AVAILABLE_WITHIN, SOON, read, soon, tell},
    quick::{Quick, WORK},
};

const CLUSTERS: [&str; 3] = ["managed1", "managed2", "managed3"];

#[tokio::test]
async fn nothing_is_missed_without_watches_and_a_standby_ends_what_a_leader_began() {
    let quick = Quick::set().await;
    for cluster in &CLUSTERS[..2] {
        quick.accept(cluster).await;
    }
    soon("enrolled", || quick.are_enrolled(&CLUSTERS[..2])).await;
    what_happens_without_watches_is_seen_afterwards(&quick).await;
    a_standby_goes_on(&quick).await;
}

async fn what_happens_without_watches_is_seen_afterwards(quick: &Quick) {
    quick.interposer.cut();
    let row = [
        "delete",
        "managedclusteraddon",
        "cluster-proxy",
        "-n",
        "managed1",
    ];
    quick.kubectl(&row).await.unwrap();
    let empty = r#"{"spec": {"workload": {"manifests": []}}}"#;
    let patch = [
        "patch",
        "manifestwork",
        WORK,
        "-n",
        "managed2",
        "--type=merge",
        "-p",
        empty,
    ];
    quick.kubectl(&patch).await.unwrap();
    quick.accept("managed3").await;
    quick.interposer.mend();
    soon("all is as wanted", || quick.are_enrolled(&CLUSTERS)).await;
    let restored = || async {
        let work = ["manifestwork", WORK, "-n", "managed2"];
        let work = read(quick.hub(), &work).await?;
        let manifests = work["spec"]["workload"]["manifests"].as_array();
        match manifests.map(Vec::len) {
            None | Some(0) => Err("it is empty"),
            Some(_) => Ok(()),
        }
        .map_err(str::to_owned)
    };
    soon("the work carries the agent again", restored).await;
}

async fn a_standby_goes_on(quick: &Quick) {
    let write = Call {
        method: Method::PATCH,
        resource: "manifestworks".to_owned(),
        name: WORK.to_owned(),
    };
    let traps = [Moment::Before, Moment::After].map(|it| quick.interposer.stop(write.clone(), it));
    let clusters = ["managed4", "managed5", "managed6"];
    for cluster in clusters {
        quick.accept(cluster).await;
    }
    for trap in &traps {
        trap.is_sprung(SOON).await.unwrap();
    }
    let standby = Operator::start(quick.hub(), "operator-2", &[])
        .await
        .unwrap();
    quick.operator.kill();
    let begin = Instant::now();
    drop(traps);
    eventually(AVAILABLE_WITHIN, "the standby ends it", || {
        quick.are_enrolled(&clusters)
    })
    .await
    .unwrap();
    tell(&format!(
        "a standby ended it {:.1?} after the leader's end",
        begin.elapsed()
    ));
    for cluster in clusters {
        let generation = "jsonpath={.metadata.generation}";
        let get = ["get", "manifestwork", WORK, "-n", cluster, "-o", generation];
        assert_eq!(
            quick.kubectl(&get).await.unwrap(),
            "1",
            "{cluster} was written twice"
        );
    }
    let said = soon("all is well", || {
        quick.condition("AddOnsAvailable", "Installed")
    })
    .await;
    assert!(said.contains("manages all add-ons"), "{said}");
    standby.stop().await;
}
