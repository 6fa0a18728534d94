use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    task::{Context, Poll},
};

use futures::{
    future::join_all,
    task::{ArcWake, waker},
};
use proptest::prelude::*;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::*;

type Cache = Answers<Question, Verdict, ReviewError>;

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Question(usize);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Verdict {
    Allowed,
    Denied(String),
}

#[derive(Debug)]
enum ReviewError {
    Deadline,
}

fn question(number: usize) -> Question {
    Question(number)
}

/// A hub that takes its time, and whose answers are always the same.
#[derive(Default)]
struct Hub {
    cache: Cache,
    asked: Arc<AtomicUsize>,
}

impl Hub {
    async fn get(&self, takes: Duration, answer: Option<Verdict>) -> Outcome<Verdict, ReviewError> {
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

/// What happens next to one of two questions, or to one of those who ask.
#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(usize),
    /// One who was woken goes on.
    GoOn(usize),
    Leave(usize),
    /// The hub answers the attempt, or fails.
    Answer(usize, bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let some = 0..100_usize;
    prop_oneof![
        4 => (0..2_usize).prop_map(Step::Ask),
        4 => some.clone().prop_map(Step::GoOn),
        2 => some.prop_map(Step::Leave),
        2 => (0..2_usize, any::<bool>()).prop_map(|(of, well)| Step::Answer(of, well)),
        1 => (1..12_u64).prop_map(Step::Wait),
    ]
}

/// Notes that a task was woken.
#[derive(Default)]
struct Woken(AtomicBool);

impl ArcWake for Woken {
    fn wake_by_ref(woken: &Arc<Self>) {
        woken.0.store(true, Ordering::SeqCst);
    }
}

/// One who asks.
struct Caller {
    question: usize,
    asking: BoxFuture<'static, Outcome<Verdict, ReviewError>>,
    woken: Arc<Woken>,
}

/// An attempt that the hub has not answered yet.
struct Attempt {
    question: usize,
    number: usize,
    hub: oneshot::Sender<Result<Verdict, ReviewError>>,
}

#[derive(Default)]
struct World {
    cache: Arc<Cache>,
    callers: Vec<Caller>,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    /// How many attempts there were.
    begun: Arc<AtomicUsize>,
    /// The numbers of the attempts at each question that were answered well.
    answered: [BTreeSet<usize>; 2],
}

impl World {
    fn ask(&mut self, of: usize) {
        let (cache, attempts) = (Arc::clone(&self.cache), Arc::clone(&self.attempts));
        let begun = Arc::clone(&self.begun);
        let asking = async move {
            let ask = |_| {
                let (hub, answer) = oneshot::channel();
                let mut attempts = attempts.lock();
                attempts.retain(|it: &Attempt| !it.hub.is_closed());
                assert!(attempts.iter().all(|it| it.question != of), "asks twice");
                let number = begun.fetch_add(1, Ordering::SeqCst);
                attempts.push(Attempt {
                    question: of,
                    number,
                    hub,
                });
                async { answer.await.expect("the hub answers at last") }
            };
            cache.get(&question(of), ask).await
        };
        let woken = Arc::<Woken>::default();
        woken.0.store(true, Ordering::SeqCst);
        self.callers.push(Caller {
            question: of,
            asking: asking.boxed(),
            woken,
        });
        self.go_on(self.callers.len() - 1);
    }

    fn go_on(&mut self, of: usize) {
        let Some(of) = of.checked_rem(self.callers.len()) else {
            return;
        };
        let caller = &mut self.callers[of];
        if !caller.woken.0.swap(false, Ordering::SeqCst) {
            return;
        }
        let waker = waker(Arc::clone(&caller.woken));
        let polled = caller.asking.poll_unpin(&mut Context::from_waker(&waker));
        let Poll::Ready(outcome) = polled else { return };
        if let Ok(Verdict::Denied(number)) = outcome {
            let number: usize = number.parse().unwrap();
            let is_its_own = self.answered[caller.question].contains(&number);
            assert!(is_its_own, "the answer to another question");
        }
        self.callers.remove(of);
    }

    fn answer(&mut self, of: usize, well: bool) {
        let mut attempts = self.attempts.lock();
        let Some(index) = attempts.iter().position(|it| it.question == of) else {
            return;
        };
        let attempt = attempts.remove(index);
        drop(attempts);
        let verdict = Verdict::Denied(attempt.number.to_string());
        let answer = well.then_some(verdict).ok_or(ReviewError::Deadline);
        if attempt.hub.send(answer).is_ok() && well {
            self.answered[of].insert(attempt.number);
        }
    }

    /// All who still wait are answered, and all of them notice.
    fn settle(&mut self) {
        for of in 0..2 {
            self.answer(of, true);
        }
        while let Some(woken) = self
            .callers
            .iter()
            .position(|it| it.woken.0.load(Ordering::SeqCst))
        {
            self.go_on(woken);
        }
        assert!(
            self.callers.is_empty(),
            "{} were not woken",
            self.callers.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The cache takes its lock for each step and waits for nothing while it holds it, so every
    /// interleaving of threads is one of these orders of polls. That is why this is no model of
    /// `loom`, which also knows neither `parking_lot` nor `futures`.
    #[test]
    fn one_attempt_for_all_who_ask_and_all_of_them_are_woken(
        steps in proptest::collection::vec(step(), 0..80)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(async move {
            let mut world = World::default();
            for step in steps {
                match step {
                    Step::Ask(of) => world.ask(of),
                    Step::GoOn(of) => world.go_on(of),
                    Step::Leave(of) => {
                        if let Some(of) = of.checked_rem(world.callers.len()) {
                            world.callers.remove(of);
                        }
                    }
                    Step::Answer(of, well) => world.answer(of, well),
                    Step::Wait(seconds) => {
                        tokio::time::advance(Duration::from_secs(seconds)).await;
                    }
                }
            }
            world.settle();
        });
    }
}
