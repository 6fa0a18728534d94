//! Failing networks: partitions, half-open connections, and agents that reconnect.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    time::{Instant, sleep, timeout},
};
use tunnel::{Budget, End, STREAM_COST, ServeError, Sessions};

use super::{
    ends::{Ends, GOODBYE, target},
    wire::{Passes, wire},
};

const DELAY: Duration = Duration::from_millis(5);

#[tokio::test(start_paused = true)]
async fn a_partition_that_heals_in_time_loses_no_byte() {
    let (near, far, switch) = wire(DELAY);
    let ends = Ends::over(near, far, Budget::new(1 << 30)).await;
    let pipe = ends.session.open(&target("echo")).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(pipe);
    let sent: Vec<u8> = (0..8_000_000_u32).map(|i| (i % 251) as u8).collect();
    let mut received = Vec::new();
    let write = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let partitions = async {
        for _ in 0..5 {
            sleep(Duration::from_millis(100)).await;
            switch.send_replace(Passes::NONE);
            sleep(Duration::from_secs(15)).await;
            switch.send_replace(Passes::BOTH);
        }
    };
    tokio::join!(write, partitions, async {
        reader.read_to_end(&mut received).await.unwrap()
    });
    assert!(received[..sent.len()] == sent && received[sent.len()..] == *GOODBYE);
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_dead_for_both_ends_within_45_seconds() {
    for (to_agent, to_gateway) in [(true, false), (false, true), (false, false)] {
        let (near, far, switch) = wire(DELAY);
        let ends = Ends::over(near, far, Budget::new(1 << 30)).await;
        let mut pipe = ends.session.open(&target("echo")).await.unwrap();
        sleep(Duration::from_secs(73)).await;
        switch.send_replace(Passes {
            to_agent,
            to_gateway,
        });
        let cut = Instant::now();
        pipe.read_u8().await.unwrap_err();
        let (end, served) = (ends.gateway.await.unwrap(), ends.agent.await.unwrap());
        // One end must detect it. The other end may be told through the direction that still works.
        let found = (
            matches!(end, End::Dead),
            matches!(served, Err(ServeError::Dead)),
        );
        assert!(found.0 || found.1, "{end:?} {served:?}");
        assert!(cut.elapsed() <= Duration::from_secs(45));
        assert_eq!(
            (ends.session.streams(), ends.budget.used()),
            (1, STREAM_COST)
        );
        drop(pipe);
        assert_eq!(ends.budget.used(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_comes_and_goes_leaves_nothing_behind_and_disturbs_no_other() {
    let (budget, sessions) = (Budget::new(1 << 30), Sessions::default());
    let steady = Ends::with_budget(budget.clone()).await;
    let mut neighbour = steady.session.open(&target("echo")).await.unwrap();
    let held = budget.used();
    for round in 0..200 {
        let (near, far) = duplex(4096);
        let flapping = Ends::over(near, far, budget.clone()).await;
        sessions.add(flapping.session.clone());
        let mut pipe = sessions.open(&target("flood")).await.unwrap();
        pipe.read_u8().await.unwrap();
        let black_hole = target("black-hole");
        let opening = flapping.session.open(&black_hole);
        let given_up = timeout(Duration::from_millis(round % 3), opening).await;
        assert!(given_up.is_err());
        flapping.agent.abort();
        flapping.gateway.await.unwrap();
        assert!(sessions.remove(&flapping.session));
        drop(pipe);
        assert_eq!(budget.used(), held);
        neighbour.write_u8(1).await.unwrap();
        assert_eq!(neighbour.read_u8().await.unwrap(), 1);
    }
}
