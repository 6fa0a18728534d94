//! Long-lived streams of one managed cluster: watches, logs, upgraded connections. Each is tied to
//! caller and to the identity that it acts as, and ends when the caller may no longer act as that, or
//! when the hub no longer lets the caller use the gateway for it. A running stream pays for this with
//! one load of a flag per frame.

use std::{
    collections::HashSet,
    future::{pending, poll_fn},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use parking_lot::Mutex;

use super::Acting;
use crate::{authentication::User, authorization::Question};

/// The streams of one managed cluster.
#[derive(Debug, Default)]
pub(crate) struct Streams(Mutex<Vec<Tied>>);

#[derive(Debug)]
struct Tied {
    /// Gone when the stream is over.
    tether: Weak<Tether>,
    /// Who asked the hub for what.
    question: Arc<Question>,
    /// `None` if the stream has no identity on the cluster.
    acting: Option<Acting>,
}

/// Ends one stream when it is cut.
#[derive(Debug, Default)]
pub(crate) struct Tether {
    cut: AtomicBool,
    /// Wakes the reader of the stream.
    waker: AtomicWaker,
}

impl Streams {
    /// Ties a stream to what the hub allowed and to an identity, until the returned tether is
    /// dropped.
    pub(crate) fn tie(&self, question: Arc<Question>, acting: Option<Acting>) -> Arc<Tether> {
        let tether = Arc::new(Tether::default());
        let mut streams = self.0.lock();
        // Ended streams are removed when the list is full, so that it never grows beyond twice the
        // number of open streams.
        if streams.len() == streams.capacity() {
            streams.retain(|tied| tied.tether.strong_count() > 0);
        }
        streams.push(Tied {
            tether: Arc::downgrade(&tether),
            question,
            acting,
        });
        tether
    }

    /// Ends the streams of callers who may no longer act as they did, and returns their number.
    /// `may_act` tells what a caller may act as now, if it may at all.
    pub(crate) fn review(&self, may_act: impl Fn(&User) -> Option<Acting>) -> u64 {
        self.keep(
            |Tied {
                 question, acting, ..
             }| {
                acting.as_ref().is_none_or(|acting| {
                    may_act(&question.user).is_some_and(|now| acting.is_within(&now))
                })
            },
        )
    }

    /// What the hub allowed to the callers of the open streams, each once.
    pub(crate) fn questions(&self) -> HashSet<Arc<Question>> {
        let streams = self.0.lock();
        let open = streams.iter().filter(|it| it.tether.strong_count() > 0);
        open.map(|it| Arc::clone(&it.question)).collect()
    }

    /// Ends the streams that the hub allows no longer, and returns their number.
    pub(crate) fn forbid(&self, question: &Question) -> u64 {
        self.keep(|tied| *tied.question != *question)
    }

    fn keep(&self, stays: impl Fn(&Tied) -> bool) -> u64 {
        let mut cut = 0;
        self.0.lock().retain(|tied| {
            let Some(tether) = tied.tether.upgrade() else {
                return false;
            };
            if stays(tied) {
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
    use crate::authorization::Action;

    fn question(name: &str) -> Arc<Question> {
        let user = User {
            name: name.to_owned(),
            ..User::default()
        };
        let cluster = "managed1".parse().unwrap();
        let action = Action::attach(&cluster);
        Arc::new(Question { user, action })
    }

    #[tokio::test]
    async fn ends_what_its_caller_may_no_longer_do_and_wakes_who_waits() {
        let streams = Streams::default();
        let account = Some(Acting::Account);
        let alice = streams.tie(question("alice"), account.clone());
        let bob = streams.tie(question("bob"), account);
        let nameless = streams.tie(question("alice"), None);
        let is_bob = |caller: &User| (caller.name == "bob").then_some(Acting::Account);
        let ((), cut) = tokio::join!(alice.cut(), async {
            tokio::task::yield_now().await;
            streams.review(is_bob)
        });
        assert_eq!(cut, 1);
        assert!(!bob.is_cut());
        assert_eq!(streams.review(is_bob), 0);
        assert_eq!(streams.review(|_| None), 1);
        assert!(bob.cut().now_or_never().is_some());
        assert!(!nameless.is_cut());
    }

    #[test]
    fn ends_what_the_hub_no_longer_allows() {
        let streams = Streams::default();
        let alice = streams.tie(question("alice"), None);
        let also = streams.tie(question("alice"), Some(Acting::Account));
        let bob = streams.tie(question("bob"), None);
        drop(streams.tie(question("carol"), None));
        assert_eq!(
            streams.questions(),
            [question("alice"), question("bob")].into()
        );
        assert_eq!(streams.forbid(&question("alice")), 2);
        assert!(alice.is_cut() && also.is_cut() && !bob.is_cut());
    }

    #[test]
    fn forgets_streams_that_are_over() {
        let streams = Streams::default();
        let lasting = streams.tie(question("alice"), Some(Acting::Account));
        for _ in 0..10_000 {
            drop(streams.tie(question("bob"), None));
        }
        assert!(streams.0.lock().capacity() < 100);
        assert_eq!(streams.review(|_| None), 1);
        assert!(lasting.is_cut());
    }
}
