//! A hub that is down for a while: its API server ends, or its API server or its storage does not
//! answer.

use std::time::Duration;

use e2e::ocm;
use tokio::time::{Instant, sleep};

use crate::{
    hub::{soon, tell, writes_of_operators},
    quick::Quick,
};

/// Longer than a leader continues without its Lease, and than a gateway may be away.
const FROZEN: Duration = Duration::from_secs(30);
/// Longer than the operator waits for the answer to a write.
const STUCK: Duration = Duration::from_secs(18);

#[tokio::test]
async fn a_hub_that_comes_back_is_as_it_was_and_the_gateway_keeps_its_place() {
    let quick = Quick::set().await;
    let hub = quick.hub();
    for cluster in ["managed1", "managed2"] {
        quick.accept(cluster).await;
    }
    soon("enrolled", || quick.are_enrolled(&["managed1", "managed2"])).await;
    let place = quick.place_in_the_api().await.unwrap();
    a_new_process_has_nothing_to_write(&quick).await;

    hub.stop_apiserver();
    hub.start_apiserver().await.unwrap();
    let begin = Instant::now();
    quick.is_well("managed1").await;
    tell(&format!(
        "well {:.1?} after a restart of the API server",
        begin.elapsed()
    ));

    hub.apiserver().pause();
    sleep(FROZEN).await;
    hub.apiserver().resume();
    let begin = Instant::now();
    quick.is_well("managed2").await;
    tell(&format!(
        "well {:.1?} after an API server that answered nothing",
        begin.elapsed()
    ));

    let client = hub.client();
    quick.world.etcd().pause();
    let accepting = ocm::accept(&client, "managed3");
    let (accepted, ()) = tokio::join!(accepting, async {
        sleep(STUCK).await;
        quick.world.etcd().resume();
    });
    let begin = Instant::now();
    // The deadline of the request itself may have passed.
    if accepted.is_err() {
        let delete = ["delete", "managedcluster", "managed3", "--ignore-not-found"];
        quick.kubectl(&delete).await.unwrap();
        quick.accept("managed3").await;
    }
    soon("enrolled", || quick.are_enrolled(&["managed3"])).await;
    quick.is_well("managed1").await;
    tell(&format!(
        "well {:.1?} after a storage that stood still",
        begin.elapsed()
    ));

    assert_eq!(quick.place_in_the_api().await.unwrap(), place);
    assert!(quick.operator.process().exited().is_none());
}

async fn a_new_process_has_nothing_to_write(quick: &Quick) {
    // This is its final status of clusters without agents for the next two minutes.
    let said = || async {
        let status = quick.status().await?;
        let troubled = status["troubled"].as_array().into_iter().flatten();
        let waiting = troubled.filter(|it| it["message"].as_str().is_some_and(waits_for_its_work));
        if waiting.count() == 2 {
            Ok(())
        } else {
            Err(status.to_string())
        }
    };
    soon("the status says how both are", said).await;
    quick.operator.stop().await;
    let before = writes_of_operators(quick.hub());
    quick.operator.restart().await.unwrap();
    let planned = || async {
        let mut counts = Vec::new();
        for key in ["hub", "cluster", "status"] {
            let key = format!("key=\"{key}\"");
            counts.push(quick.metric("operator_reconciles_total", &[&key]).await);
        }
        let all = counts[0] > 0.5 && counts[1] > 1.5 && counts[2] > 0.5;
        if all {
            Ok(())
        } else {
            Err(format!("{counts:?}"))
        }
    };
    soon("all is planned", planned).await;
    let after = writes_of_operators(quick.hub());
    assert_eq!(after[before.len()..], [] as [String; 0]);
}

fn waits_for_its_work(message: &str) -> bool {
    message.contains("ManifestApplied")
}
