//! A connection that is full in both directions.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, copy, repeat, sink, split},
    task::JoinSet,
    time::sleep,
};
use tunnel::Budget;

use super::{
    ends::{Ends, target},
    wire::{Passes, wire_of},
};

#[tokio::test(start_paused = true)]
async fn ends_that_are_full_and_owe_pings_read_on_after_a_partition() {
    // Less than a frame is in transit, so neither end gets rid of one unless the other one reads.
    let (near, far, switch) = wire_of(512, Duration::from_millis(1));
    let ends = Ends::over(near, far, Budget::new(1 << 30)).await;
    sleep(Duration::from_secs(15)).await;
    let pipe = ends.session.open(&target("flood")).await.unwrap();
    switch.send_replace(Passes::NONE);
    let (mut read, mut write) = split(pipe);
    let mut flows = JoinSet::new();
    flows.spawn(async move { copy(&mut repeat(7), &mut write).await });
    // Both ends want to send a ping after 20 s, when neither can write any more.
    sleep(Duration::from_secs(15)).await;
    switch.send_replace(Passes::BOTH);
    sleep(Duration::from_secs(1)).await;
    assert!(!ends.session.is_silent());
    let mut heard = (&mut read).take(10 << 20);
    let length = copy(&mut heard, &mut sink()).await.unwrap();
    assert_eq!(length, 10 << 20);
}
