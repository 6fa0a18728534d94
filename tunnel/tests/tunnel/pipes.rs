//! Pipes: bytes in both directions, half-close, reset, refusals, and backpressure.

use std::{io::ErrorKind, sync::atomic::Ordering, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep, timeout},
};
use tunnel::{Budget, OpenError, Refusal, STREAM_COST};

use super::ends::{Ends, GOODBYE, target};

#[tokio::test]
async fn bytes_go_both_ways_and_one_end_may_finish_first() {
    let ends = Ends::attached().await;
    let mut pipe = ends.session.open(&target("echo")).await.unwrap();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let (mut reader, mut writer) = tokio::io::split(&mut pipe);
    let mut received = Vec::new();
    let write = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    tokio::join!(write, async {
        reader.read_to_end(&mut received).await.unwrap()
    });
    assert_eq!(&received[..sent.len()], &sent[..]);
    assert_eq!(&received[sent.len()..], GOODBYE);
    drop(pipe);
    assert_eq!((ends.session.streams(), ends.budget.used()), (0, 0));
}

#[tokio::test]
async fn a_refusal_reaches_the_caller_as_what_it_is() {
    let ends = Ends::attached().await;
    for (name, wanted) in [
        ("forbidden", Refusal::Forbidden),
        ("down", Refusal::Refused),
    ] {
        match ends.session.open(&target(name)).await {
            Err(OpenError::Refused(refusal)) => assert_eq!(refusal, wanted),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((ends.session.streams(), ends.budget.used()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn giving_up_on_a_dial_frees_its_place() {
    let ends = Ends::attached().await;
    let given_up = timeout(
        Duration::from_secs(1),
        ends.session.open(&target("black-hole")),
    )
    .await;
    assert!(given_up.is_err());
    assert_eq!((ends.session.streams(), ends.budget.used()), (0, 0));
    let begin = Instant::now();
    let late = ends.session.open(&target("black-hole")).await;
    assert!(matches!(late, Err(OpenError::Deadline)), "{late:?}");
    assert_eq!(begin.elapsed().as_secs(), 15);
    ends.session.open(&target("echo")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn dropping_a_pipe_resets_just_that_pipe() {
    let ends = Ends::attached().await;
    let mut other = ends.session.open(&target("echo")).await.unwrap();
    let doomed = ends.session.open(&target("deaf")).await.unwrap();
    let flood = ends.session.open(&target("flood")).await.unwrap();
    drop((doomed, flood));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ends.dialer.open.load(Ordering::SeqCst), 1);
    other.write_all(b"still here").await.unwrap();
    let mut echoed = [0; 10];
    other.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"still here");
}

#[tokio::test]
async fn a_target_that_hangs_up_ends_its_pipe() {
    let ends = Ends::attached().await;
    let mut pipe = ends.session.open(&target("hang-up")).await.unwrap();
    pipe.write_all(b"x").await.unwrap();
    let mut rest = Vec::new();
    pipe.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}

#[tokio::test]
async fn pipes_beyond_the_byte_budget_are_refused_until_others_close() {
    let two = Budget::new(2 * STREAM_COST);
    let ends = Ends::with_budget(two).await;
    let first = ends.session.open(&target("echo")).await.unwrap();
    let _second = ends.session.open(&target("echo")).await.unwrap();
    let third = ends.session.open(&target("echo")).await;
    assert!(matches!(third, Err(OpenError::Budget)), "{third:?}");
    drop(first);
    ends.session.open(&target("echo")).await.unwrap();
}

#[tokio::test]
async fn a_broken_connection_ends_every_pipe_at_once() {
    let ends = Ends::attached().await;
    let mut pipe = ends.session.open(&target("echo")).await.unwrap();
    ends.agent.abort();
    let error = pipe.read_u8().await.unwrap_err();
    let broken = [
        ErrorKind::BrokenPipe,
        ErrorKind::UnexpectedEof,
        ErrorKind::ConnectionAborted,
    ];
    assert!(broken.contains(&error.kind()), "{error:?}");
    let after = ends.session.open(&target("echo")).await;
    assert!(
        matches!(after, Err(OpenError::Closing | OpenError::Broken(_))),
        "{after:?}"
    );
}
