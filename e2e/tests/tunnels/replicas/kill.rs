//! A gateway that is killed, as if its node failed.

use std::time::Duration;

use e2e::{Gateway, Metrics};
use tokio::time::{Instant, sleep_until};

use super::{callers::Entrance, load::Load, stage::Stage};

/// Long after the hub's API server has noticed the failure.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_gateway_that_is_killed_takes_with_it_only_what_was_in_flight_there() {
    let stage = Stage::start(&[]).await;
    stage.spreads().await;
    let mut load = Load::start(&stage).await;
    let [one, other] = stage.replicas.each() else {
        panic!("there are two");
    };
    // The hub's API server sends as much as it can over one connection.
    let is_one = served(one).await > served(other).await;
    let (killed, stays) = if is_one { (one, other) } else { (other, one) };
    load.also_asks(&stage, stays);
    load.goes_on().await;
    let at = Instant::now();
    killed.kill();
    load.goes_on().await;
    println!("as much again was done after {:?}", at.elapsed());
    sleep_until(at + NOTICED_WITHIN).await;
    killed.restart().await.unwrap();
    load.goes_on().await;
    let outcome = load.finish().await;
    let noticed = at + NOTICED_WITHIN;
    for failed in &outcome.failed {
        println!(
            "{:?} at {:?} {:?} later",
            failed.code,
            failed.by,
            failed.ended - at
        );
        // A connection of the other gateway may lead through this one since before that gateway had
        // a tunnel itself. The gateway itself reports the failure, but the hub may break off.
        let typed = match failed.by {
            Entrance::Hub => matches!(failed.code, None | Some(502 | 503)),
            Entrance::Gateway => matches!(failed.code, Some(502 | 503)),
        };
        let in_flight = failed.begun < noticed && failed.ended > at;
        assert!(typed && in_flight, "{failed:?}");
    }
    let mut cut = 0;
    for watch in &outcome.watches {
        assert!(watch.lost.is_empty(), "{watch:#?}");
        assert!(
            watch.broken.iter().all(|(when, _)| *when < noticed),
            "{watch:#?}"
        );
        cut += watch.begun - 1;
    }
    assert!(cut > 0, "something was in flight there");
    for stream in &outcome.streams {
        assert!(stream.lost.is_empty(), "{stream:?}");
        let cut = |ended| (at..noticed).contains(&ended);
        assert!(stream.ended.is_none_or(cut), "{stream:?}");
    }
}

/// The number of requests that a gateway has passed to managed clusters.
async fn served(gateway: &Gateway) -> u64 {
    let metrics = Metrics::of_gateway(gateway).await.unwrap();
    metrics.sum("gateway_proxied_requests_total", &[])
}
