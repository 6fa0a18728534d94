//! Pipes with one closed direction: what may still pass, and what closes the other direction.

use std::{io::ErrorKind, sync::atomic::Ordering, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{sleep, timeout},
};
use tunnel::{End, STREAM_WINDOW, Stream};

use super::ends::{Ends, GOODBYE, target};

/// Writes until nothing more is accepted.
async fn fill(pipe: &mut Stream) {
    let unread = vec![0; STREAM_WINDOW as usize];
    let filled = timeout(Duration::from_secs(1), async {
        loop {
            pipe.write_all(&unread).await.unwrap();
        }
    });
    assert!(filled.await.is_err(), "an unread upload has to stop");
}

#[tokio::test(start_paused = true)]
async fn a_reset_ends_an_upload_that_the_target_does_not_read() {
    let ends = Ends::attached().await;
    for name in ["deaf", "deaf-mute"] {
        let mut pipe = ends.session.open(&target(name)).await.unwrap();
        fill(&mut pipe).await;
        assert_eq!(ends.dialer.open.load(Ordering::SeqCst), 1);
        drop(pipe);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(ends.dialer.open.load(Ordering::SeqCst), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_finished_pipe_waits_only_so_long_for_a_target_that_reads_nothing() {
    let ends = Ends::attached().await;
    let mut pipe = ends.session.open(&target("deaf-mute")).await.unwrap();
    pipe.write_all(&vec![0; 100_000]).await.unwrap();
    pipe.shutdown().await.unwrap();
    assert_eq!(pipe.read(&mut [0]).await.unwrap(), 0);
    drop(pipe);
    sleep(Duration::from_secs(25)).await;
    assert_eq!(ends.dialer.open.load(Ordering::SeqCst), 1);
    sleep(Duration::from_secs(40)).await;
    assert_eq!(ends.dialer.open.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_reads_no_more_may_still_speak() {
    let ends = Ends::attached().await;
    let mut pipe = ends.session.open(&target("answers-early")).await.unwrap();
    pipe.write_all(&[0; 1000]).await.unwrap();
    let mut answer = Vec::new();
    pipe.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, GOODBYE);
    // After this, the failure of the upload is known.
    sleep(Duration::from_millis(1)).await;
    let error = pipe.write_all(b"more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_a_finished_pipe_sent_arrives_though_the_gateway_drains() {
    let ends = Ends::attached().await;
    let mut pipe = ends.session.open(&target("late")).await.unwrap();
    ends.drain_gateway.send(()).unwrap();
    pipe.write_all(&vec![0; 100_000]).await.unwrap();
    pipe.shutdown().await.unwrap();
    assert_eq!(pipe.read(&mut [0]).await.unwrap(), 0);
    drop(pipe);
    assert!(matches!(ends.gateway.await.unwrap(), End::Closed));
    ends.agent.await.unwrap().unwrap();
    assert_eq!(ends.dialer.taken.load(Ordering::SeqCst), 100_000);
}

#[tokio::test]
async fn a_shutdown_may_be_asked_for_twice_and_nothing_is_written_after_it() {
    let ends = Ends::attached().await;
    let mut pipe = ends.session.open(&target("echo")).await.unwrap();
    pipe.shutdown().await.unwrap();
    pipe.shutdown().await.unwrap();
    let error = pipe.write_all(b"late").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error}");
    let mut rest = Vec::new();
    pipe.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, GOODBYE);
}
