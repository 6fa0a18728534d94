//! Answers of the hub, each for a few seconds. Requests that ask the same at once share one attempt,
//! and its outcome whatever it is; the lock is held to find the entry, never while waiting.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::review::{Question, ReviewError, Verdict};

/// How long an answer counts, as in kube-apiserver's own delegation.
const TTL: Duration = Duration::from_secs(10);
/// Answers kept at most. Full means that all of them are fresh: some are dropped, not the bound.
const MAX_ENTRIES: usize = 8192;

/// How an attempt to get an answer ended.
pub(super) type Outcome = Result<Verdict, Arc<ReviewError>>;

/// The answers known, and the attempts to get others.
#[derive(Debug, Default)]
pub(super) struct Cache(Arc<Mutex<Entries>>);

type Entries = HashMap<Arc<Question>, Entry>;

#[derive(Debug)]
struct Entry {
    asked: Instant,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Known(Verdict),
    /// It is gone when all who waited for it have left.
    Awaited(WeakShared<Asking>),
}

type Asking = BoxFuture<'static, Outcome>;

enum Found {
    Known(Verdict),
    Awaited(Shared<Asking>),
}

impl Cache {
    /// The answer to `question`, from `ask` unless a fresh one is known or awaited. Errors are not
    /// kept. `ask` has its own deadline, which begins with the first request that waits.
    pub(super) async fn get<A>(
        &self,
        question: &Arc<Question>,
        ask: impl FnOnce(Arc<Question>) -> A,
    ) -> Outcome
    where
        A: Future<Output = Result<Verdict, ReviewError>> + Send + 'static,
    {
        match self.find(question, Instant::now(), ask) {
            Found::Known(verdict) => Ok(verdict),
            Found::Awaited(asking) => asking.await,
        }
    }

    fn find<A>(
        &self,
        question: &Arc<Question>,
        now: Instant,
        ask: impl FnOnce(Arc<Question>) -> A,
    ) -> Found
    where
        A: Future<Output = Result<Verdict, ReviewError>> + Send + 'static,
    {
        let mut entries = self.0.lock();
        if let Some(found) = entries.get(question).and_then(|entry| entry.find(now)) {
            return found;
        }
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, entry| entry.is_of_use(now));
        }
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        let (home, asked) = (Arc::downgrade(&self.0), ask(Arc::clone(question)));
        let key = Arc::clone(question);
        let asking = async move {
            let outcome = asked.await.map_err(Arc::new);
            settle(&home, &key, now, &outcome);
            outcome
        };
        let asking = asking.boxed().shared();
        let awaited = asking.downgrade().expect("it was not polled yet");
        let entry = Entry {
            asked: now,
            answer: Answer::Awaited(awaited),
        };
        entries.insert(Arc::clone(question), entry);
        Found::Awaited(asking)
    }
}

/// Keeps the outcome of the attempt that began at `asked`, unless it is an error.
fn settle(
    home: &Weak<Mutex<Entries>>,
    question: &Arc<Question>,
    asked: Instant,
    outcome: &Outcome,
) {
    let Some(home) = home.upgrade() else { return };
    let mut entries = home.lock();
    let entry = entries.get_mut(question);
    // Another attempt may have begun if this one was forgotten.
    let Some(entry) = entry.filter(|entry| entry.asked == asked) else {
        return;
    };
    match outcome {
        Ok(verdict) => entry.answer = Answer::Known(verdict.clone()),
        Err(_) => drop(entries.remove(question)),
    }
}

impl Entry {
    fn find(&self, now: Instant) -> Option<Found> {
        match &self.answer {
            Answer::Known(verdict) => {
                let is_fresh = now.duration_since(self.asked) < TTL;
                is_fresh.then(|| Found::Known(verdict.clone()))
            }
            Answer::Awaited(asking) => asking.upgrade().map(Found::Awaited),
        }
    }

    fn is_of_use(&self, now: Instant) -> bool {
        match &self.answer {
            Answer::Known(_) => now.duration_since(self.asked) < TTL,
            Answer::Awaited(asking) => asking.upgrade().is_some(),
        }
    }
}

#[cfg(test)]
mod tests;
