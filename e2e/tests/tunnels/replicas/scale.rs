//! From two gateways to three, and back. No gateway or agent is restarted for it.

use std::time::Duration;

use e2e::{Metrics, eventually};
use tokio::time::Instant;

use super::{
    load::Load,
    stage::{SPOKES, Stage},
};

/// An agent drops the connection that it has no more use for after 40 s.
const SHRUNK_WITHIN: Duration = Duration::from_mins(1);

#[tokio::test]
async fn agents_follow_the_number_of_gateways_and_no_request_fails() {
    let mut stage = Stage::start(&["--shutdown-delay=3", "--drain-timeout=10"]).await;
    stage.spreads().await;
    let load = Load::start(&stage).await;

    let begin = Instant::now();
    stage.replicas.add().await.unwrap();
    stage.spreads().await;
    println!("three had each tunnel after {:?}", begin.elapsed());
    load.goes_on().await;
    for spoke in SPOKES {
        stage.answers_forty_times(spoke).await;
    }

    let begin = Instant::now();
    let status = stage.replicas.remove_last().await;
    assert!(status.success(), "{status}");
    stage.spreads().await;
    println!("two had each tunnel after {:?}", begin.elapsed());
    let shrunk = || has_two_tunnels_of_each(&stage);
    eventually(SHRUNK_WITHIN, "agents keep two tunnels", shrunk)
        .await
        .unwrap();
    println!("and no more after {:?}", begin.elapsed());
    stage.spreads().await;
    load.goes_on().await;
    for spoke in SPOKES {
        stage.answers_forty_times(spoke).await;
    }

    let outcome = load.finish().await;
    assert!(outcome.failed.is_empty(), "{:#?}", outcome.failed);
    for watch in &outcome.watches {
        let is_whole = watch.lost.is_empty() && watch.broken.is_empty();
        assert!(is_whole, "{watch:#?}");
    }
}

async fn has_two_tunnels_of_each(stage: &Stage) -> Result<(), String> {
    for spoke in SPOKES {
        let cluster = format!("cluster=\"{spoke}\"");
        let mut tunnels = Vec::new();
        for gateway in stage.replicas.each() {
            let metrics = Metrics::of_gateway(gateway).await;
            let metrics = metrics.map_err(|error| error.to_string())?;
            tunnels.push(metrics.sum("gateway_tunnels", &[&cluster]));
        }
        if tunnels != [1, 1] {
            return Err(format!("{spoke}: {tunnels:?}"));
        }
    }
    Ok(())
}
