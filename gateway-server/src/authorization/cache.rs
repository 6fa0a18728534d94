//! Answers of the hub, each for a few seconds. Requests that ask the same at once share one
//! question; the lock is held to find the entry, never while waiting.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::OnceCell, time::Instant};

use super::review::{Question, ReviewError, Verdict};

/// How long an answer counts, as in kube-apiserver's own delegation.
const TTL: Duration = Duration::from_secs(10);
/// Answers kept at most. Full means that all of them are fresh: some are dropped, not the bound.
const MAX_ENTRIES: usize = 8192;

/// The answers known.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<HashMap<Arc<Question>, Entry>>);

#[derive(Clone, Debug)]
struct Entry {
    asked: Instant,
    answer: Arc<OnceCell<Verdict>>,
}

impl Cache {
    /// The answer to `question`, from `ask` unless a fresh one is known. Errors are not kept.
    pub(super) async fn get<A: Future<Output = Result<Verdict, ReviewError>>>(
        &self,
        question: Arc<Question>,
        ask: impl FnOnce(Arc<Question>) -> A,
    ) -> Result<Verdict, ReviewError> {
        let answer = self.entry(&question, Instant::now());
        answer.get_or_try_init(|| ask(question)).await.cloned()
    }

    fn entry(&self, question: &Arc<Question>, now: Instant) -> Arc<OnceCell<Verdict>> {
        let fresh = |entry: &Entry| now.duration_since(entry.asked) < TTL;
        let mut entries = self.0.lock();
        if let Some(entry) = entries.get(question)
            && fresh(entry)
        {
            return Arc::clone(&entry.answer);
        }
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, entry| fresh(entry));
        }
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        let entry = Entry {
            asked: now,
            answer: Arc::default(),
        };
        entries.insert(Arc::clone(question), entry.clone());
        entry.answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use http::Method;

    use super::*;
    use crate::{authentication::User, authorization::Action};

    fn question(user: usize) -> Arc<Question> {
        let user = User {
            name: format!("user-{user}"),
            ..User::default()
        };
        let action = Action::Path {
            method: Method::GET,
            path: "/apis".to_owned(),
        };
        Arc::new(Question { user, action })
    }

    #[tokio::test(start_paused = true)]
    async fn asks_once_for_all_who_wait_and_again_when_stale() {
        let (cache, asked) = (Cache::default(), AtomicUsize::new(0));
        let get = || {
            cache.get(question(1), |_| async {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(Verdict::Allowed)
            })
        };
        for answer in join_all((0..100).map(|_| get())).await {
            assert_eq!(answer.unwrap(), Verdict::Allowed);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::advance(TTL).await;
        get().await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_not_an_answer() {
        let cache = Cache::default();
        let failed = cache
            .get(question(1), |_| async { Err(ReviewError::Deadline) })
            .await;
        assert!(failed.is_err());
        let answer = cache
            .get(question(1), |_| async {
                Ok(Verdict::Denied(String::new()))
            })
            .await;
        assert_eq!(answer.unwrap(), Verdict::Denied(String::new()));
    }

    #[tokio::test(start_paused = true)]
    async fn stays_bounded() {
        let cache = Cache::default();
        for user in 0..MAX_ENTRIES * 2 {
            cache
                .get(question(user), |_| async { Ok(Verdict::Allowed) })
                .await
                .unwrap();
        }
        assert!(cache.0.lock().len() <= MAX_ENTRIES);
    }
}
