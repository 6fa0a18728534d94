use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use http::Method;
use tokio::time::{sleep, timeout};

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

/// A hub that takes its time, and whose answers are always the same.
#[derive(Default)]
struct Hub {
    cache: Cache,
    asked: Arc<AtomicUsize>,
}

impl Hub {
    async fn get(&self, takes: Duration, answer: Option<Verdict>) -> Outcome {
        let asked = Arc::clone(&self.asked);
        let ask = |_| async move {
            asked.fetch_add(1, Ordering::Relaxed);
            sleep(takes).await;
            answer.ok_or(ReviewError::Deadline)
        };
        self.cache.get(&question(1), ask).await
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn asks_once_for_all_who_wait_and_again_when_stale() {
    let hub = Hub::default();
    let get = || hub.get(Duration::from_millis(5), Some(Verdict::Allowed));
    for answer in join_all((0..100).map(|_| get())).await {
        assert_eq!(answer.unwrap(), Verdict::Allowed);
    }
    assert_eq!(hub.asked(), 1);
    get().await.unwrap();
    assert_eq!(hub.asked(), 1);
    tokio::time::advance(TTL).await;
    get().await.unwrap();
    assert_eq!(hub.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_for_an_attempt_get_its_error_at_once() {
    let hub = Hub::default();
    let takes = Duration::from_secs(10);
    let begin = Instant::now();
    for outcome in join_all((0..100).map(|_| hub.get(takes, None))).await {
        assert!(matches!(*outcome.unwrap_err(), ReviewError::Deadline));
    }
    assert_eq!((begin.elapsed(), hub.asked()), (takes, 1));
}

#[tokio::test(start_paused = true)]
async fn an_error_is_not_an_answer() {
    let hub = Hub::default();
    assert!(hub.get(Duration::ZERO, None).await.is_err());
    let denied = Verdict::Denied(String::new());
    let answer = hub.get(Duration::ZERO, Some(denied.clone())).await;
    assert_eq!(answer.unwrap(), denied);
    assert_eq!(hub.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_goes_on_when_the_one_who_began_it_leaves() {
    let hub = Hub::default();
    let takes = Duration::from_secs(8);
    let get = || hub.get(takes, Some(Verdict::Allowed));
    let begin = Instant::now();
    let (left, stayed) = tokio::join!(timeout(Duration::from_secs(5), get()), get());
    assert!(left.is_err());
    assert_eq!(stayed.unwrap(), Verdict::Allowed);
    assert_eq!((begin.elapsed(), hub.asked()), (takes, 1));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_nobody_waits_for_any_more_is_given_up() {
    let hub = Hub::default();
    let get = || hub.get(Duration::from_secs(8), Some(Verdict::Allowed));
    assert!(timeout(Duration::from_secs(5), get()).await.is_err());
    sleep(Duration::from_secs(30)).await;
    let begin = Instant::now();
    assert_eq!(get().await.unwrap(), Verdict::Allowed);
    assert_eq!((begin.elapsed().as_secs(), hub.asked()), (8, 2));
}

#[tokio::test(start_paused = true)]
async fn stays_bounded() {
    let cache = Cache::default();
    for user in 0..MAX_ENTRIES * 2 {
        let ask = |_| async { Ok(Verdict::Allowed) };
        cache.get(&question(user), ask).await.unwrap();
    }
    assert!(cache.0.lock().len() <= MAX_ENTRIES);
}
