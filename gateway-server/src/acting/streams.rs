//! Long-lived streams of one managed cluster: watches, logs, upgraded connections. Each is tied to
//! the identity that it acts as, and ends when that identity is cut. A running stream pays for this
//! with one load of a flag per frame.

use std::{
    collections::BTreeSet,
    future::{pending, poll_fn},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use crds::gateway::OnCluster;
use futures::task::AtomicWaker;
use parking_lot::Mutex;

use super::Acting;

/// The streams of one managed cluster.
#[derive(Debug, Default)]
pub(crate) struct Streams(Mutex<Vec<Tied>>);

#[derive(Debug)]
struct Tied {
    /// Gone when the stream is over.
    tether: Weak<Tether>,
    acting: Acting,
}

/// Ends one stream when it is cut.
#[derive(Debug, Default)]
pub(crate) struct Tether {
    cut: AtomicBool,
    /// Wakes the reader of the stream.
    waker: AtomicWaker,
}

impl Streams {
    /// Ties a stream to an identity until the returned tether is dropped.
    pub(crate) fn tie(&self, acting: Acting) -> Arc<Tether> {
        let tether = Arc::new(Tether::default());
        let mut streams = self.0.lock();
        // Ended streams are removed when the list is full, so that it never grows beyond twice the
        // number of open streams.
        if streams.len() == streams.capacity() {
            streams.retain(|tied| tied.tether.strong_count() > 0);
        }
        streams.push(Tied {
            tether: Arc::downgrade(&tether),
            acting,
        });
        tether
    }

    /// Ends all streams that depend on one of these subjects, and returns their number.
    pub(crate) fn cut(&self, subjects: &BTreeSet<OnCluster>) -> u64 {
        let mut cut = 0;
        self.0.lock().retain(|tied| {
            let Some(tether) = tied.tether.upgrade() else {
                return false;
            };
            if !tied.acting.depends_on(subjects) {
                return true;
            }
            tether.cut.store(true, Ordering::Release);
            tether.waker.wake();
            cut += 1;
            false
        });
        cut
    }
}

impl Tether {
    /// Whether the stream must end.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Ready when the stream must end. Only the last caller is woken.
    pub(crate) fn poll_cut(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waker.register(context.waker());
        if self.is_cut() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Waits until the stream must end.
    pub(crate) async fn cut(&self) {
        poll_fn(|context| self.poll_cut(context)).await;
    }
}

/// Waits until the stream of this tether must end; for ever if there is none.
pub(crate) async fn cut_of(tether: Option<&Tether>) {
    match tether {
        Some(tether) => tether.cut().await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::acting::Named;

    fn user(name: &str) -> OnCluster {
        OnCluster::User(name.to_owned())
    }

    fn group(name: &str) -> OnCluster {
        OnCluster::Group(name.to_owned())
    }

    fn acting(name: &str, groups: &[&str]) -> Acting {
        let named = |who| Arc::new(Named::new(&who).unwrap());
        Acting::User {
            user: named(user(name)),
            groups: groups.iter().map(|it| named(group(it))).collect(),
        }
    }

    #[tokio::test]
    async fn ends_what_depends_on_a_subject_and_wakes_who_waits() {
        let streams = Streams::default();
        let alice = streams.tie(acting("alice", &["dev"]));
        let bob = streams.tie(acting("bob", &[]));
        let account = streams.tie(Acting::Account);
        let (ended, cut) = tokio::join!(alice.cut(), async {
            tokio::task::yield_now().await;
            streams.cut(&[group("dev"), user("carol")].into())
        });
        let () = ended;
        assert_eq!(cut, 1);
        assert!(!bob.is_cut() && !account.is_cut());
        assert_eq!(streams.cut(&[OnCluster::Gateway].into()), 1);
        assert!(account.cut().now_or_never().is_some());
        // A user of that name is another than a group.
        assert_eq!(streams.cut(&[group("bob")].into()), 0);
    }

    #[test]
    fn forgets_streams_that_are_over() {
        let streams = Streams::default();
        let lasting = streams.tie(Acting::Account);
        for _ in 0..10_000 {
            drop(streams.tie(Acting::Account));
        }
        assert!(streams.0.lock().capacity() < 100);
        assert_eq!(streams.cut(&[OnCluster::Gateway].into()), 1);
        assert!(lasting.is_cut());
    }
}
