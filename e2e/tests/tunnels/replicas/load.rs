//! The load through the hub while gateways come and go: requests one after the other, watches, and
//! upgraded connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use e2e::{Gateway, eventually};
use kube::Client;
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{
    callers::{Entrance, Failed, call},
    stage::Stage,
    streams::{self, Lasted},
    watches::{self, Watched},
};
use crate::stage::through_hub;

const CALLERS: usize = 6;
const DIRECT_CALLERS: usize = 2;
const WATCHES: usize = 10;
const STREAMS: usize = 2;
/// The number of requests that callers must complete before an event, and again after it.
const ENOUGH: usize = 200;
const SOON: Duration = Duration::from_mins(1);

/// The running load.
pub(super) struct Load {
    over: watch::Sender<bool>,
    last: watch::Sender<u64>,
    done: Arc<AtomicUsize>,
    callers: JoinSet<Vec<Failed>>,
    watches: JoinSet<Watched>,
    streams: JoinSet<Vec<Lasted>>,
    writer: JoinSet<u64>,
}

/// The results of the load.
pub(super) struct Outcome {
    pub(super) failed: Vec<Failed>,
    pub(super) watches: Vec<Watched>,
    pub(super) streams: Vec<Lasted>,
}

impl Load {
    /// Starts the load.
    pub(super) async fn start(stage: &Stage) -> Self {
        let (over, is_over) = watch::channel(false);
        let (last, is_last) = watch::channel(u64::MAX);
        let (done, hub) = (Arc::<AtomicUsize>::default(), stage.hub());
        let spoke = stage.world.cluster("managed1").client();
        let first = watches::put(&spoke, 0).await;
        let mut load = Self {
            over,
            last,
            done,
            callers: JoinSet::new(),
            watches: JoinSet::new(),
            streams: JoinSet::new(),
            writer: JoinSet::new(),
        };
        for number in 0..CALLERS {
            load.call(Entrance::Hub, hub.client(), number);
        }
        for _ in 0..WATCHES {
            let client = through_hub(hub, "managed1").await;
            let watch = watches::watch(client, first.clone(), is_last.clone());
            load.watches.spawn(watch);
        }
        for _ in 0..STREAMS {
            load.streams
                .spawn(streams::keep(hub.clone(), is_over.clone()));
        }
        load.writer.spawn(watches::write(spoke, is_over));
        load.goes_on().await;
        load
    }

    /// Adds a caller that calls one gateway directly.
    pub(super) fn also_asks(&mut self, stage: &Stage, gateway: &Gateway) {
        let credentials = stage.front_proxy();
        for number in 0..DIRECT_CALLERS {
            let client = gateway.client_with(&credentials);
            self.call(Entrance::Gateway, client, number);
        }
    }

    fn call(&mut self, by: Entrance, client: Client, number: usize) {
        let (over, done) = (self.over.subscribe(), Arc::clone(&self.done));
        self.callers.spawn(call(by, client, number, over, done));
    }

    /// Waits until the same number of requests has been completed again.
    pub(super) async fn goes_on(&self) {
        let done = || self.done.load(Ordering::Relaxed);
        let wanted = done() + ENOUGH;
        let enough = || async {
            match done() {
                seen if seen >= wanted => Ok(()),
                seen => Err(seen),
            }
        };
        eventually(SOON, "requests are answered", enough)
            .await
            .unwrap();
    }

    /// Ends the load after the watches have seen everything that was written.
    pub(super) async fn finish(self) -> Outcome {
        self.over.send_replace(true);
        let failed = self.callers.join_all().await;
        let streams = self.streams.join_all().await;
        let written = self.writer.join_all().await[0];
        self.last.send_replace(written);
        let watches = timeout(SOON, self.watches.join_all()).await;
        let outcome = Outcome {
            failed: failed.into_iter().flatten().collect(),
            watches: watches.expect("each watch comes to the end"),
            streams: streams.into_iter().flatten().collect(),
        };
        println!(
            "{} requests, {} of them failed; {written} writes, each seen {WATCHES} times in {} watches; \
             {} streams",
            self.done.load(Ordering::Relaxed) + outcome.failed.len(),
            outcome.failed.len(),
            outcome.watches.iter().map(|it| it.begun).sum::<usize>(),
            outcome.streams.len(),
        );
        outcome
    }
}
