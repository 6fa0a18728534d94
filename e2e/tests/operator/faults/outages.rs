//! A hub that is gone for a while: its API server ends, or answers nothing, or its storage does not.

use std::time::Duration;

use e2e::ocm;
use tokio::time::{Instant, sleep};

use crate::{
    quick::Quick,
    stage::{soon, tell, writes_of_operators},
};

/// Longer than a leader goes on without its Lease, and than a gateway may be away.
const FROZEN: Duration = Duration::from_secs(30);
/// Longer than a write waits for its answer.
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
    // Its own deadline may have passed.
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

    a_new_process_has_nothing_to_write(&quick).await;
    assert_eq!(quick.place_in_the_api().await.unwrap(), place);
    assert!(quick.operator.process().exited().is_none());
}

async fn a_new_process_has_nothing_to_write(quick: &Quick) {
    let said = || async {
        let planned = quick.metric("operator_reconciles_total", &["result=\"unchanged\""]);
        let waiting = quick.metric("operator_queue_depth", &[]);
        let (planned, waiting) = (planned.await, waiting.await);
        // The hub, the status and three clusters; later looks are all that is left.
        if planned > 4.5 && waiting < 2.5 {
            Ok(())
        } else {
            Err(format!("{planned} planned, {waiting} waiting"))
        }
    };
    soon("all is planned", said).await;
    let before = writes_of_operators(quick.hub());
    quick.operator.stop().await;
    quick.operator.restart().await.unwrap();
    soon("all is planned again", said).await;
    let after = writes_of_operators(quick.hub());
    assert_eq!(after[before.len()..], [] as [String; 0]);
}
