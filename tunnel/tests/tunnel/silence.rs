//! Sessions that answer late or not at all, beside others that do.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{
    io::duplex,
    sync::watch,
    time::{Instant, sleep},
};
use tunnel::{Budget, OpenError, Refusal, STREAM_COST, Sessions};

use super::{
    ends::{Ends, target},
    wire::{Passes, wire},
};

const DELAY: Duration = Duration::from_millis(5);

/// A session over a network that can be cut.
async fn cuttable() -> (Ends, watch::Sender<Passes>) {
    let (near, far, switch) = wire(DELAY);
    (Ends::over(near, far, Budget::new(1 << 30)).await, switch)
}

fn sessions<const N: usize>(all: [&Ends; N]) -> Sessions {
    let sessions = Sessions::default();
    for ends in all {
        sessions.add(ends.session.clone());
    }
    sessions
}

#[tokio::test(start_paused = true)]
async fn a_session_that_does_not_answer_holds_a_pipe_up_for_two_seconds_at_most() {
    let ((silent, switch), healthy) = (cuttable().await, Ends::attached().await);
    let sessions = sessions([&silent, &healthy]);
    let _busier = healthy.session.open(&target("echo")).await.unwrap();
    switch.send_replace(Passes::NONE);
    let begin = Instant::now();
    let _pipe = sessions.open(&target("echo")).await.unwrap();
    let took = begin.elapsed();
    assert!(took <= Duration::from_secs(2), "{took:?}");
    assert_eq!(
        (silent.session.streams(), healthy.session.streams()),
        (0, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_owes_an_answer_to_a_ping_gets_pipes_last() {
    let ((silent, switch), healthy) = (cuttable().await, Ends::attached().await);
    let sessions = sessions([&silent, &healthy]);
    let _busier = healthy.session.open(&target("echo")).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    switch.send_replace(Passes::NONE);
    sleep(Duration::from_secs(25)).await;
    assert!(!silent.session.is_closing(), "it is not known to be dead");
    let begin = Instant::now();
    let pipe = sessions.open(&target("echo")).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
    drop(pipe);
    switch.send_replace(Passes::BOTH);
    sleep(Duration::from_secs(1)).await;
    let _pipe = sessions.open(&target("echo")).await.unwrap();
    assert_eq!(
        (silent.session.streams(), healthy.session.streams()),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn what_held_up_one_pipe_holds_up_no_later_one() {
    let ((silent, switch), healthy) = (cuttable().await, Ends::attached().await);
    let sessions = sessions([&silent, &healthy]);
    let _busier = healthy.session.open(&target("echo")).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    switch.send_replace(Passes::NONE);
    let _late = sessions.open(&target("echo")).await.unwrap();
    sleep(Duration::from_secs(1) + DELAY).await;
    let begin = Instant::now();
    let _pipe = sessions.open(&target("echo")).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_last_place_of_a_budget_is_enough_beside_a_session_that_does_not_answer() {
    let budget = Budget::new(2 * STREAM_COST);
    let (near, far, switch) = wire(DELAY);
    let silent = Ends::over(near, far, budget.clone()).await;
    let healthy = Ends::with_budget(budget.clone()).await;
    let sessions = sessions([&silent, &healthy]);
    let _busier = healthy.session.open(&target("echo")).await.unwrap();
    switch.send_replace(Passes::NONE);
    let begin = Instant::now();
    let _last = sessions.open(&target("echo")).await.unwrap();
    let took = begin.elapsed();
    assert!(took <= Duration::from_secs(2), "{took:?}");
    assert_eq!(budget.used(), 2 * STREAM_COST);
    let beyond = sessions.open(&target("echo")).await;
    assert!(matches!(beyond, Err(OpenError::Budget)), "{beyond:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_target_is_slow_still_gets_pipes() {
    let (slow, other) = (Ends::attached().await, Ends::attached().await);
    let sessions = sessions([&slow, &other]);
    let _busier = other.session.open(&target("echo")).await.unwrap();
    slow.dialer.stuck.store(true, Ordering::SeqCst);
    let _late = sessions.open(&target("echo")).await.unwrap();
    slow.dialer.stuck.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(30)).await;
    let _pipe = sessions.open(&target("echo")).await.unwrap();
    assert_eq!((slow.session.streams(), other.session.streams()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_pipe_goes_on_to_the_next_session_after_a_deadline() {
    let mut all = Vec::new();
    let sessions = Sessions::default();
    for _ in 0..4 {
        let ends = Ends::attached().await;
        ends.dialer.stuck.store(true, Ordering::SeqCst);
        sessions.add(ends.session.clone());
        all.push(ends);
    }
    let late = sessions.open(&target("echo")).await;
    assert!(matches!(late, Err(OpenError::Deadline)), "{late:?}");
    all[3].dialer.stuck.store(false, Ordering::SeqCst);
    let _pipe = sessions.open(&target("echo")).await.unwrap();
    let streams: Vec<_> = all.iter().map(|it| it.session.streams()).collect();
    assert_eq!(streams, [0, 0, 0, 1]);
}

#[tokio::test]
async fn a_pipe_goes_on_to_the_next_session_if_an_agent_is_busy() {
    let (near, far) = duplex(64 << 10);
    let (gateway, agent) = (Budget::new(1 << 30), Budget::new(STREAM_COST - 1));
    let busy = Ends::with_budgets(near, far, gateway, agent).await;
    let idle = Ends::attached().await;
    let (both, one) = (sessions([&busy, &idle]), sessions([&busy]));
    let _pipe = both.open(&target("echo")).await.unwrap();
    assert_eq!((busy.session.streams(), idle.session.streams()), (0, 1));
    let refused = one.open(&target("echo")).await;
    assert!(
        matches!(refused, Err(OpenError::Refused(Refusal::Busy))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_an_agent_says_of_a_target_is_final() {
    let (one, other) = (Ends::attached().await, Ends::attached().await);
    let sessions = sessions([&one, &other]);
    for (name, wanted) in [
        ("forbidden", Refusal::Forbidden),
        ("down", Refusal::Refused),
    ] {
        let refused = sessions.open(&target(name)).await;
        assert!(
            matches!(refused, Err(OpenError::Refused(said)) if said == wanted),
            "{refused:?}"
        );
    }
    assert_eq!((one.session.streams(), other.session.streams()), (0, 0));
}
