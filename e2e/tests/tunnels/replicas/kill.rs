//! A gateway that is killed, as with its node.

use std::time::Duration;

use tokio::time::Instant;

use super::{load::Load, stage::Stage};

/// Long after the hub's API server has noticed.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_gateway_that_is_killed_takes_with_it_only_what_was_in_flight_there() {
    let stage = Stage::start(&[]).await;
    stage.spreads().await;
    let load = Load::start(&stage).await;
    let [killed, _] = stage.replicas.each() else {
        panic!("there are two");
    };
    let at = Instant::now();
    killed.kill();
    load.goes_on().await;
    println!("as much again was done after {:?}", at.elapsed());
    tokio::time::sleep_until(at + NOTICED_WITHIN).await;
    load.goes_on().await;
    killed.restart().await.unwrap();
    load.goes_on().await;
    let outcome = load.finish().await;
    let noticed = at + NOTICED_WITHIN;
    for failed in &outcome.failed {
        let typed = matches!(failed.code, None | Some(502 | 503));
        assert!(
            typed && failed.begun < noticed && failed.ended > at,
            "{failed:?}"
        );
    }
    for watch in &outcome.watches {
        assert!(watch.lost.is_empty(), "{watch:#?}");
        assert!(
            watch.broken.iter().all(|(when, _)| *when < noticed),
            "{watch:#?}"
        );
    }
    for stream in &outcome.streams {
        assert!(stream.lost.is_empty(), "{stream:?}");
        let cut = |ended| (at..noticed).contains(&ended);
        assert!(stream.ended.is_none_or(cut), "{stream:?}");
    }
}
