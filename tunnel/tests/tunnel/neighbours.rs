//! Head-of-line blocking: how pipes that stall delay one that moves. The network has a delay in
//! virtual time, so each wait is an exact number.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep, timeout},
};
use tunnel::{Budget, STREAM_WINDOW, Stream};

use super::{
    ends::{Ends, target},
    wire::wire,
};

/// The longest of many round trips of one pipe.
async fn longest_round_trip(ends: &Ends) -> Duration {
    let mut neighbour = ends.session.open(&target("echo")).await.unwrap();
    let mut longest = Duration::ZERO;
    for _ in 0..100 {
        let begin = Instant::now();
        neighbour.write_all(&[1; 10_000]).await.unwrap();
        let mut echoed = [0; 10_000];
        neighbour.read_exact(&mut echoed).await.unwrap();
        longest = longest.max(begin.elapsed());
    }
    longest
}

/// Stalls every pipe but one with `stall`. The remaining pipe must not become slower.
async fn moves_no_neighbour(stall: impl AsyncFn(&Ends) -> Stream) {
    let (near, far, _switch) = wire(Duration::from_millis(10));
    let ends = Ends::over(near, far, Budget::new(1 << 30)).await;
    let alone = longest_round_trip(&ends).await;
    let mut stalled = Vec::new();
    for _ in 0..255 {
        stalled.push(stall(&ends).await);
    }
    sleep(Duration::from_mins(1)).await;
    let beside = longest_round_trip(&ends).await;
    assert!(beside <= alone.mul_f64(1.05), "{alone:?} {beside:?}");
}

#[tokio::test(start_paused = true)]
async fn readers_that_stop_delay_no_neighbour() {
    moves_no_neighbour(async |ends| {
        let mut flood = ends.session.open(&target("flood")).await.unwrap();
        flood.read_u8().await.unwrap();
        flood
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn uploads_that_nobody_reads_delay_no_neighbour() {
    let unread = vec![0; STREAM_WINDOW as usize];
    moves_no_neighbour(async |ends| {
        let mut upload = ends.session.open(&target("deaf")).await.unwrap();
        let filled = timeout(Duration::from_secs(5), async {
            loop {
                upload.write_all(&unread).await.unwrap();
            }
        });
        assert!(filled.await.is_err(), "an unread upload has to stop");
        upload
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pipes_that_stall_both_ways_delay_no_neighbour() {
    moves_no_neighbour(async |ends| {
        let mut pipe = ends.session.open(&target("echo")).await.unwrap();
        // The answers are not read, so in the end no more data is accepted.
        let filled = timeout(Duration::from_secs(5), async {
            loop {
                pipe.write_all(&[0; 10_000]).await.unwrap();
            }
        });
        assert!(filled.await.is_err(), "an unread echo has to stop");
        pipe
    })
    .await;
}
