//! Answers of the hub, each for a few seconds. Requests that ask the same at once share one attempt,
//! and its outcome whatever it is; the lock is held to find the entry, never while waiting.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::Hash,
    sync::{Arc, Weak},
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long an answer counts, as in kube-apiserver's own delegation.
const TTL: Duration = Duration::from_secs(10);
/// Answers kept at most. Full means that all of them are fresh: some are dropped, not the bound.
const MAX_ENTRIES: usize = 8192;

/// How an attempt to get an answer ended.
pub(crate) type Outcome<V, E> = Result<V, Arc<E>>;

/// The answers known, and the attempts to get others.
pub(crate) struct Answers<K, V, E>(Arc<Mutex<Entries<K, V, E>>>);

type Entries<K, V, E> = HashMap<K, Entry<V, E>>;

struct Entry<V, E> {
    asked: Instant,
    answer: Answer<V, E>,
}

enum Answer<V, E> {
    Known(V),
    /// It is gone when all who waited for it have left.
    Awaited(WeakShared<Asking<V, E>>),
}

type Asking<V, E> = BoxFuture<'static, Outcome<V, E>>;

enum Found<V, E> {
    Known(V),
    Awaited(Shared<Asking<V, E>>),
}

impl<K, V, E> Default for Answers<K, V, E> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// Questions and answers stay out of it: they may be credentials.
impl<K, V, E> fmt::Debug for Answers<K, V, E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Answers")
    }
}

impl<K, V, E> Answers<K, V, E>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// The answer to `question`, from `ask` unless a fresh one is known or awaited. Errors are not
    /// kept. `ask` has its own deadline, which begins with the first request that waits.
    pub(crate) async fn get<A>(&self, question: &K, ask: impl FnOnce(K) -> A) -> Outcome<V, E>
    where
        A: Future<Output = Result<V, E>> + Send + 'static,
    {
        match self.find(question, Instant::now(), ask) {
            Found::Known(answer) => Ok(answer),
            Found::Awaited(asking) => asking.await,
        }
    }

    fn find<A>(&self, question: &K, now: Instant, ask: impl FnOnce(K) -> A) -> Found<V, E>
    where
        A: Future<Output = Result<V, E>> + Send + 'static,
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
        let (home, asked) = (Arc::downgrade(&self.0), ask(question.clone()));
        let key = question.clone();
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
        entries.insert(question.clone(), entry);
        Found::Awaited(asking)
    }
}

/// Keeps the outcome of the attempt that began at `asked`, unless it is an error.
fn settle<K: Eq + Hash, V: Clone, E>(
    home: &Weak<Mutex<Entries<K, V, E>>>,
    question: &K,
    asked: Instant,
    outcome: &Outcome<V, E>,
) {
    let Some(home) = home.upgrade() else { return };
    let mut entries = home.lock();
    let entry = entries.get_mut(question);
    // Another attempt may have begun if this one was forgotten.
    let Some(entry) = entry.filter(|entry| entry.asked == asked) else {
        return;
    };
    match outcome {
        Ok(answer) => entry.answer = Answer::Known(answer.clone()),
        Err(_) => drop(entries.remove(question)),
    }
}

impl<V: Clone, E> Entry<V, E> {
    fn find(&self, now: Instant) -> Option<Found<V, E>> {
        match &self.answer {
            Answer::Known(answer) => {
                let is_fresh = now.duration_since(self.asked) < TTL;
                is_fresh.then(|| Found::Known(answer.clone()))
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
