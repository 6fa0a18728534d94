//! Keeps what is shown of clusters up to date while clients ask for it or other replicas are
//! linked. Once a second it checks what this replica sees of each cluster, and it asks the hub for
//! its revision before a decision is taken.

use std::{future::Future, time::Duration};

use tokio::{
    select,
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout},
};

use kubernetes::clock;

use super::{Clusters, Shown};

/// How often to check.
const EVERY: Duration = Duration::from_secs(1);
/// If nobody has asked for this long, nothing is checked.
const IDLE: Duration = Duration::from_mins(2);
/// How often the hub is asked for its revision while clients ask and nothing changes.
const CLOCK_EVERY: Duration = Duration::from_mins(1);
/// The shortest time between two questions to the hub.
const CLOCK_AT_MOST_EVERY: Duration = Duration::from_millis(250);
/// How long the hub may take to answer. After that the newest revision that is known is used.
const CLOCK_DEADLINE: Duration = Duration::from_secs(2);

/// Wakes [`Clusters::keep_pulse`].
#[derive(Debug, Default)]
pub(super) struct Pulse(Notify);

impl Clusters {
    /// Keeps what is shown up to date for as long as it is polled. `clock` asks the hub for its
    /// revision. `is_told` says whether any other replica is told what this one sees.
    pub(crate) async fn keep_pulse<F: Future<Output = Option<u64>>>(
        &self,
        clock: impl Fn() -> F,
        is_told: impl Fn() -> bool,
    ) {
        let mut asked = None;
        loop {
            let wanted = select! {
                () = sleep(EVERY) => false,
                () = self.pulse.0.notified() => true,
            };
            let now = Instant::now();
            let is_awake = self.is_awake(now);
            if !(wanted || is_awake || is_told()) {
                continue;
            }
            let is_due = self.look();
            let is_late = is_awake && asked.is_none_or(|asked| asked + CLOCK_EVERY <= now);
            if wanted || is_due || is_late {
                if let Some(asked) = asked {
                    // Many requests may wait for the answer; the hub is asked once for all of them.
                    sleep_until(asked + CLOCK_AT_MOST_EVERY).await;
                }
                asked = Some(Instant::now());
                let read = timeout(CLOCK_DEADLINE, clock()).await;
                self.decide(read.ok().flatten().unwrap_or_default());
            }
        }
    }

    /// The hub has reached this revision now.
    pub(super) fn reach(&self, revision: u64) -> Instant {
        let now = Instant::now();
        self.feed.lock().reach(revision, now);
        self.catalog.lock().reach(revision, now);
        now
    }

    /// Waits until objects of that kind are known to have reached this revision, for `deadline` at
    /// most.
    pub(crate) async fn reached<K: Shown>(&self, revision: u64, deadline: Duration) {
        let begin = Instant::now();
        while K::newest(self) < revision && begin.elapsed() < deadline {
            self.pulse.0.notify_one();
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn is_awake(&self, now: Instant) -> bool {
        let looked = self.feed.lock().looked().max(self.catalog.lock().looked());
        looked.is_some_and(|looked| looked + IDLE > now)
    }

    /// Takes in what this replica sees. Returns true if it must take a decision.
    pub(super) fn look(&self) -> bool {
        let mut feed = self.feed.lock();
        feed.see(&self.snapshot.load())
    }

    pub(super) fn decide(&self, revision: u64) {
        let now = Instant::now();
        let mut catalog = self.catalog.lock();
        catalog.reach(revision, now);
        catalog.refresh(now);
        drop(catalog);
        let mut feed = self.feed.lock();
        feed.reach(revision, now);
        let revision = feed.newest();
        feed.decide(revision, now, clock::now());
        feed.refresh(&self.snapshot.load(), now);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::atomic::{AtomicU64, Ordering},
    };

    use crds::cluster_core::ClusterGateway;
    use parking_lot::Mutex;
    use tokio::task::JoinSet;

    use super::*;
    use crate::clusters::tests::given;

    #[tokio::test(start_paused = true)]
    async fn the_hub_is_asked_at_most_every_250_ms_however_many_wait_for_it() {
        let clusters = given(&["managed1"]);
        let asked = Mutex::new(Vec::new());
        let clock = async || {
            asked.lock().push(Instant::now());
            Some(100)
        };
        let mut waiting = JoinSet::new();
        for _ in 0..50 {
            let clusters = clusters.clone();
            waiting.spawn(async move {
                let patience = Duration::from_secs(5);
                clusters.reached::<ClusterGateway>(200, patience).await;
            });
        }
        select! {
            () = clusters.keep_pulse(clock, || false) => {}
            _ = waiting.join_all() => {}
        }
        let asked = asked.into_inner();
        let pauses: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.iter().all(|pause| *pause >= CLOCK_AT_MOST_EVERY));
        assert!((15..=21).contains(&asked.len()), "{pauses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn versions_move_while_nothing_changes_and_somebody_watches() {
        let clusters = given(&["managed1"]);
        let questions = AtomicU64::new(0);
        let clock = async || Some(100 + questions.fetch_add(1, Ordering::Relaxed));
        let watch = async {
            let position = clusters.list().await.unwrap().position;
            let mut versions = BTreeSet::new();
            for _ in 0..300 {
                sleep(Duration::from_secs(1)).await;
                let changes = clusters.changes(position, Instant::now());
                changes.unwrap();
                versions.insert(clusters.list().await.unwrap().revision);
            }
            versions
        };
        let idle = async {
            let versions = watch.await;
            assert!((5..=7).contains(&versions.len()), "{versions:?}");
            sleep(IDLE + CLOCK_EVERY).await;
            let before = questions.load(Ordering::Relaxed);
            sleep(IDLE * 10).await;
            assert_eq!(before, questions.load(Ordering::Relaxed), "nobody asks");
        };
        select! {
            () = clusters.keep_pulse(clock, || false) => {}
            () = idle => {}
        }
    }
}
