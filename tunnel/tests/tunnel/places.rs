//! Limits: how many pipes an end accepts, and which of several connections a pipe uses.

use std::sync::atomic::Ordering;

use tokio::{io::duplex, task::spawn};
use tunnel::{Budget, OpenError, Refusal, STREAM_COST, Sessions, Share};

use super::ends::{Ends, target};

#[tokio::test]
async fn an_agent_without_room_refuses_as_busy() {
    let (near, far) = duplex(64 << 10);
    let (gateway, agent) = (Budget::new(1 << 30), Budget::new(STREAM_COST));
    let ends = Ends::with_budgets(near, far, gateway, agent.clone()).await;
    let first = ends.session.open(&target("echo")).await.unwrap();
    let second = ends.session.open(&target("echo")).await;
    assert!(
        matches!(second, Err(OpenError::Refused(Refusal::Busy))),
        "{second:?}"
    );
    drop(first);
    while agent.used() > 0 {
        tokio::task::yield_now().await;
    }
    ends.session.open(&target("echo")).await.unwrap();
}

#[tokio::test]
async fn pipes_of_one_request_leave_room_for_shared_ones_at_both_ends() {
    let three = || Budget::new(3 * STREAM_COST);
    for (gateway, agent) in [
        (three(), Budget::new(1 << 30)),
        (Budget::new(1 << 30), three()),
    ] {
        let (near, far) = duplex(64 << 10);
        let ends = Ends::with_budgets(near, far, gateway.clone(), agent).await;
        let (shared, single) = (gateway.clone(), gateway.sharing(Share::Unreserved));
        let mut pipes = Vec::new();
        for _ in 0..2 {
            let pipe = ends.session.open_for(&target("echo"), &single).await;
            pipes.push(pipe.unwrap());
        }
        let refused = ends.session.open_for(&target("echo"), &single).await;
        let is_full = matches!(
            refused,
            Err(OpenError::Budget | OpenError::Refused(Refusal::Busy))
        );
        assert!(is_full, "{refused:?}");
        let pipe = ends.session.open_for(&target("echo"), &shared).await;
        pipes.push(pipe.unwrap());
    }
}

#[tokio::test]
async fn a_full_connection_says_so_at_once_and_others_are_used() {
    let (full, empty) = (Ends::attached().await, Ends::attached().await);
    let mut pipes = Vec::new();
    while full.session.has_room() {
        pipes.push(full.session.open(&target("deaf")).await.unwrap());
    }
    assert_eq!(pipes.len(), 256);
    let one_more = full.session.open(&target("deaf")).await;
    assert!(matches!(one_more, Err(OpenError::Budget)), "{one_more:?}");
    let sessions = Sessions::default();
    sessions.add(full.session.clone());
    let all_full = sessions.open(&target("deaf")).await;
    assert!(matches!(all_full, Err(OpenError::Budget)), "{all_full:?}");
    sessions.add(empty.session.clone());
    let _pipe = sessions.open(&target("deaf")).await.unwrap();
    assert_eq!(empty.session.streams(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pipe_whose_connections_break_while_it_opens_is_opened_on_the_next() {
    let sessions = std::sync::Arc::<Sessions>::default();
    let mut all = Vec::new();
    for stuck in [true, true, false] {
        let ends = Ends::attached().await;
        ends.dialer.stuck.store(stuck, Ordering::SeqCst);
        sessions.add(ends.session.clone());
        all.push(ends);
    }
    let opening = {
        let sessions = std::sync::Arc::clone(&sessions);
        spawn(async move { sessions.open(&target("echo")).await })
    };
    for ends in &all[..2] {
        while ends.session.streams() == 0 {
            tokio::task::yield_now().await;
        }
        ends.agent.abort();
    }
    let _pipe = opening.await.unwrap().unwrap();
    assert_eq!(all[2].session.streams(), 1);
    all[2].agent.abort();
    while !all[2].session.is_closing() {
        tokio::task::yield_now().await;
    }
    let none = sessions.open(&target("echo")).await;
    assert!(matches!(none, Err(OpenError::Closing)), "{none:?}");
}
