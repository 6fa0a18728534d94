//! The life of a session: hello, liveness, drain by either end, and parallel connections.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    time::{Instant, sleep},
};
use tunnel::{
    AttachError, Budget, End, Hello, HelloError, OpenError, Phase, ServeError, Session, Sessions,
    serve,
};

use super::ends::{Ends, Targets, target};

#[tokio::test]
async fn the_hello_agrees_on_what_both_speak() {
    let mut ends = Ends::attached().await;
    let attached = ends
        .phase
        .wait_for(|phase| *phase != Phase::Greeting)
        .await
        .unwrap()
        .clone();
    let wanted = Phase::Attached {
        agreement: ends.session.agreement().clone(),
        replica: None,
    };
    assert_eq!(attached, wanted);
    assert_eq!(ends.session.agreement().version, 1);
}

#[tokio::test]
async fn ends_without_a_common_version_say_so_on_both_sides() {
    let (near, far) = duplex(4096);
    let newer = Hello {
        oldest: 2,
        newest: 3,
        ..Hello::default()
    };
    let phase = tokio::sync::watch::channel(Phase::Greeting).0;
    let old = Hello::default();
    let budget = Budget::new(0);
    let agent = serve(
        far,
        &old,
        std::sync::Arc::<Targets>::default(),
        &budget,
        phase,
        std::future::pending(),
    );
    let gateway = Session::attach(near, &newer, Budget::new(0));
    let (served, attached) = tokio::join!(agent, async { gateway.await.map(drop) });
    assert!(
        matches!(
            attached,
            Err(AttachError::Hello(HelloError::Version { .. }))
        ),
        "{attached:?}"
    );
    assert!(
        matches!(served, Err(ServeError::Hello(HelloError::Version { .. }))),
        "{served:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up_during_the_hello() {
    let (near, _far) = duplex(4096);
    let begin = Instant::now();
    let attached = Session::attach(near, &Hello::default(), Budget::new(0)).await;
    assert!(matches!(attached, Err(AttachError::Deadline)));
    assert_eq!(begin.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_vanishes_without_a_word_is_dead_within_45_seconds() {
    let (near, wire_near) = duplex(64 << 10);
    let (wire_far, far) = duplex(64 << 10);
    let (cut_wire, cut) = tokio::sync::oneshot::channel::<()>();
    tokio::task::spawn(async move {
        let (mut near, mut far) = (wire_near, wire_far);
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            // Discards everything from now on without an error.
            _ = cut => std::future::pending().await,
        }
    });
    let ends = Ends::over(near, far, Budget::new(1 << 30)).await;
    let mut pipe = ends.session.open(&target("echo")).await.unwrap();
    sleep(Duration::from_secs(100)).await;
    assert!(ends.session.round_trip().is_some());

    let cut = Instant::now();
    cut_wire.send(()).unwrap();
    let error = pipe.read_u8().await.unwrap_err();
    assert!(
        cut.elapsed() <= Duration::from_secs(45),
        "{:?} {error}",
        cut.elapsed()
    );
    assert!(matches!(ends.gateway.await.unwrap(), End::Dead));
    assert!(matches!(ends.agent.await.unwrap(), Err(ServeError::Dead)));
    assert!(
        cut.elapsed() <= Duration::from_secs(45),
        "{:?}",
        cut.elapsed()
    );
}

#[tokio::test]
async fn an_agent_that_drains_takes_no_new_pipes_and_finishes_the_old_ones() {
    let mut ends = Ends::attached().await;
    let mut pipe = ends.session.open(&target("echo")).await.unwrap();
    ends.drain_agent.send(()).unwrap();
    ends.phase
        .wait_for(|phase| *phase == Phase::Draining)
        .await
        .unwrap();
    let refused = loop {
        match ends.session.open(&target("echo")).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert!(
        matches!(refused, OpenError::Closing | OpenError::Broken(_)),
        "{refused:?}"
    );
    pipe.write_all(b"old").await.unwrap();
    pipe.shutdown().await.unwrap();
    let mut rest = String::new();
    pipe.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "old; goodbye");
    drop(pipe);
    ends.agent.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_gateway_that_drains_tells_the_agent_and_finishes_the_old_pipes() {
    let mut ends = Ends::attached().await;
    let mut pipe = ends.session.open(&target("echo")).await.unwrap();
    ends.drain_gateway.send(()).unwrap();
    ends.phase
        .wait_for(|phase| *phase == Phase::Draining)
        .await
        .unwrap();
    assert!(matches!(
        ends.session.open(&target("echo")).await,
        Err(OpenError::Closing)
    ));
    pipe.write_all(b"old").await.unwrap();
    pipe.shutdown().await.unwrap();
    let mut rest = String::new();
    pipe.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "old; goodbye");
    drop(pipe);
    assert!(matches!(ends.gateway.await.unwrap(), End::Closed));
}

#[tokio::test]
async fn pipes_spread_over_parallel_connections_and_survive_the_loss_of_one() {
    let (one, other) = (Ends::attached().await, Ends::attached().await);
    let sessions = Sessions::default();
    sessions.add(one.session.clone());
    sessions.add(other.session.clone());
    let mut pipes = Vec::new();
    for _ in 0..6 {
        pipes.push(sessions.open(&target("echo")).await.unwrap());
    }
    assert_eq!((one.session.streams(), other.session.streams()), (3, 3));
    one.agent.abort();
    one.gateway.await.unwrap();
    assert!(one.session.is_closing());
    for _ in 0..3 {
        pipes.push(sessions.open(&target("echo")).await.unwrap());
    }
    assert_eq!(other.session.streams(), 6);
    assert!(!sessions.remove(&one.session));
    assert!(sessions.remove(&other.session));
    assert!(matches!(
        sessions.open(&target("echo")).await,
        Err(OpenError::Closing)
    ));
}
