//! How many replicas answer as one gateway, as agents are told. A replica counts while this one is
//! linked to it and it does not shut down. A larger number is told only after it has lasted, because
//! a replica that has just started takes no agents yet, and because one that is replaced must not
//! make all agents connect once more.

mod present;

use std::{sync::Arc, time::Duration};

use tokio::{select, sync::watch, time::sleep};
use tunnel::{Hello, Replica, ReplicaId};

use self::present::Present;

/// How long a larger number must last. By then a load balancer leads to a replica that has started,
/// and one that it replaces drains.
const RISE_AFTER: Duration = Duration::from_secs(5);

/// The replicas of this gateway. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Replicas(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    own: ReplicaId,
    present: watch::Sender<Present>,
    /// The number that agents are told.
    told: watch::Sender<u16>,
}

/// Another replica, for as long as this one is linked to it.
#[derive(Debug)]
pub(crate) struct Member {
    replicas: Replicas,
    id: ReplicaId,
}

impl Replicas {
    /// Starts with a number that stays unless other replicas are found.
    pub(crate) fn new(number: u16) -> Self {
        Self(Arc::new(Inner {
            own: random_id(),
            present: watch::Sender::default(),
            told: watch::Sender::new(number),
        }))
    }

    /// Which replica this is.
    pub(crate) fn own(&self) -> &ReplicaId {
        &self.0.own
    }

    /// What this replica tells agents and other replicas about itself.
    pub(crate) fn hello(&self) -> Hello {
        Hello {
            replica: Some(Replica {
                id: self.0.own.clone(),
                of: *self.0.told.borrow(),
            }),
            ..Hello::default()
        }
    }

    /// The number that agents are told.
    pub(crate) fn numbers(&self) -> watch::Receiver<u16> {
        self.0.told.subscribe()
    }

    /// Counts another replica until the result is dropped.
    pub(crate) fn join(&self, id: ReplicaId) -> Member {
        self.0.present.send_modify(|present| present.join(&id));
        Member {
            replicas: self.clone(),
            id,
        }
    }

    /// The replicas that were there before this one have all been found. Until then, each of them
    /// counts at once.
    pub(crate) fn found(&self) {
        self.0.present.send_modify(Present::found);
    }

    /// Keeps the number up to date for as long as it is polled.
    pub(crate) async fn count(self) {
        let mut present = self.0.present.subscribe();
        loop {
            let told = *self.0.told.borrow();
            let waits = present.borrow_and_update().must_last(told);
            if waits {
                select! {
                    _ = present.wait_for(|present| !present.must_last(told)) => continue,
                    () = sleep(RISE_AFTER) => {}
                }
            }
            let number = present.borrow_and_update().number();
            self.0.told.send_if_modified(|told| {
                let differs = *told != number;
                *told = number;
                differs
            });
            if present.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Member {
    /// It has said that it is shutting down.
    pub(crate) fn drains(&self) {
        let drains = |present: &mut Present| present.drains(&self.id);
        self.replicas.0.present.send_modify(drains);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let leave = |present: &mut Present| present.leave(&self.id);
        self.replicas.0.present.send_modify(leave);
    }
}

/// Tells this run of the process from every other one.
fn random_id() -> ReplicaId {
    let mut bytes = [0; 8];
    let random = rustls::crypto::aws_lc_rs::default_provider().secure_random;
    random
        .fill(&mut bytes)
        .expect("the kernel has random bytes");
    let id = format!("{:016x}", u64::from_be_bytes(bytes));
    id.parse().expect("hexadecimal digits are a word")
}

#[cfg(test)]
mod tests {
    use tokio::{
        task::JoinSet,
        time::{Instant, timeout},
    };

    use super::*;

    /// A replica that counts, and the end of its task.
    fn counting() -> (Replicas, JoinSet<()>) {
        let replicas = Replicas::new(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(replicas.clone().count());
        (replicas, tasks)
    }

    fn id(text: &str) -> ReplicaId {
        text.parse().unwrap()
    }

    /// How long until another number is told, and which one.
    async fn next(numbers: &mut watch::Receiver<u16>) -> (u16, Duration) {
        let begin = Instant::now();
        numbers.changed().await.unwrap();
        (*numbers.borrow_and_update(), begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_counts_after_some_time_and_until_it_drains_or_is_lost() {
        let (replicas, _tasks) = counting();
        let mut numbers = replicas.numbers();
        let one = replicas.join(id("one"));
        assert_eq!(next(&mut numbers).await, (2, Duration::ZERO));
        replicas.found();
        let other = replicas.join(id("other"));
        assert_eq!(next(&mut numbers).await, (3, RISE_AFTER));
        one.drains();
        assert_eq!(next(&mut numbers).await, (2, Duration::ZERO));
        drop(one);
        let again = timeout(Duration::from_secs(100), numbers.changed());
        assert!(again.await.is_err(), "it left once");
        drop(other);
        assert_eq!(next(&mut numbers).await, (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_roll_out_does_not_make_the_number_flap() {
        let (replicas, _tasks) = counting();
        let mut old = vec![replicas.join(id("old"))];
        replicas.found();
        sleep(RISE_AFTER * 2).await;
        let mut numbers = replicas.numbers();
        assert_eq!(*numbers.borrow_and_update(), 2);
        for number in 0..5 {
            // As a Deployment does it: the next one is there before the last one drains.
            old.push(replicas.join(id(&format!("new{number}"))));
            sleep(RISE_AFTER / 2).await;
            old[0].drains();
            sleep(RISE_AFTER * 3).await;
            old.remove(0);
        }
        assert!(!numbers.has_changed().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_that_was_given_stays_if_nobody_looks_for_others() {
        let replicas = Replicas::new(3);
        let hello = replicas.hello().replica.unwrap();
        assert_eq!((&hello.id, hello.of), (replicas.own(), 3));
    }
}
