//! A roll-out as a Deployment does it: each gateway in turn is removed from the Service, is told to
//! end, and comes back.

use std::time::Duration;

use tokio::time::Instant;

use super::{load::Load, stage::Stage};

const DELAY: Duration = Duration::from_secs(3);
const DRAIN: Duration = Duration::from_secs(10);
/// How late a timer on a busy machine may fire.
const SLACK: Duration = Duration::from_secs(1);

/// When the next gateway is rolled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pace {
    /// As soon as the previous one serves again, as a Deployment does it.
    Ready,
    /// After agents have connected to the previous one, too.
    Spread,
}

#[tokio::test]
async fn a_roll_out_fails_no_request_and_loses_no_event() {
    roll(Pace::Spread).await;
}

/// All connections of an agent may lead to the gateway that is rolled next.
#[tokio::test]
async fn a_roll_out_that_does_not_wait_for_agents_fails_no_request_either() {
    roll(Pace::Ready).await;
}

async fn roll(pace: Pace) {
    let stage = Stage::start(&["--shutdown-delay=3", "--drain-timeout=10"]).await;
    stage.spreads().await;
    let load = Load::start(&stage).await;
    let mut ends = Vec::new();
    for (index, gateway) in stage.replicas.each().iter().enumerate() {
        stage.replicas.lead_to(&[1 - index]);
        let told = Instant::now();
        let status = gateway.stop().await;
        assert!(status.success(), "{status}");
        println!("gateway {index} ended after {:?}", told.elapsed());
        ends.push((told + DELAY + DRAIN - SLACK, Instant::now() + SLACK));
        gateway.restart().await.unwrap();
        stage.replicas.lead_to_all();
        load.goes_on().await;
        if pace == Pace::Spread {
            let back = Instant::now();
            stage.spreads().await;
            println!("it had each tunnel {:?} later", back.elapsed());
        }
    }
    let outcome = load.finish().await;
    assert!(outcome.failed.is_empty(), "{:#?}", outcome.failed);
    for watch in &outcome.watches {
        let is_whole = watch.lost.is_empty() && watch.broken.is_empty();
        assert!(is_whole, "{watch:#?}");
    }
    for stream in &outcome.streams {
        assert!(stream.lost.is_empty() && stream.events > 0, "{stream:?}");
        let in_grace = |ended| ends.iter().any(|(from, to)| (*from..=*to).contains(&ended));
        assert!(stream.ended.is_none_or(in_grace), "{stream:?}, {ends:?}");
    }
}
