//! The shutdown of the process, step by step: the readiness probe fails and the other replicas are
//! told, agents leave one after the other while requests are still accepted, then only what is in
//! flight continues, and at last everything is cut.

use std::{future::Future, pin::pin, time::Duration};

use kubernetes::pauses::jitter;
use runtime::readiness::Condition;
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

/// The part of the drain timeout that is reserved for watches to end cleanly.
const GOODBYE: Duration = Duration::from_secs(2);

/// The steps of the shutdown. Each is a signal that stays set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending {
    /// This replica is shutting down: it is not ready, its peers are told, and its agents leave.
    pub(crate) leaving: CancellationToken,
    /// Nothing new is accepted. What is in flight may finish.
    pub(crate) drain: CancellationToken,
    /// The drain timeout is nearly over: whatever can end cleanly at any time, such as a watch,
    /// ends.
    pub(crate) last_call: CancellationToken,
    /// Everything ends now.
    pub(crate) cut: CancellationToken,
    delay: Duration,
}

impl Ending {
    /// `delay` is the time from the first step to the second.
    pub(crate) fn new(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }

    /// Takes the first two steps after `told` resolves.
    pub(crate) async fn begin(self, told: impl Future<Output = ()>, serving: Condition) {
        told.await;
        serving.set(false);
        self.leaving.cancel();
        if !self.delay.is_zero() {
            info!(
                seconds = self.delay.as_secs(),
                "leaving; requests are accepted for some time more"
            );
        }
        sleep(self.delay).await;
        self.drain.cancel();
    }

    /// Waits for the turn of `of` to leave. The turns are spread over the first five eighths of the
    /// delay.
    pub(crate) async fn turn(&self, of: &str) {
        self.leaving.cancelled().await;
        let window = i64::try_from(self.delay.as_millis() * 5 / 8).unwrap_or(i64::MAX);
        let pause = u64::try_from(jitter(of, window)).unwrap_or_default();
        sleep(Duration::from_millis(pause)).await;
    }

    /// Waits until both trackers are empty, for `deadline` at most, and then takes the last step.
    pub(crate) async fn finish(
        self,
        requests: &TaskTracker,
        passing: &TaskTracker,
        deadline: Duration,
    ) {
        requests.close();
        passing.close();
        let done = async {
            requests.wait().await;
            passing.wait().await;
        };
        let mut done = pin!(done);
        let goodbye = GOODBYE.min(deadline);
        if timeout(deadline.saturating_sub(goodbye), &mut done)
            .await
            .is_err()
        {
            self.last_call.cancel();
            if timeout(goodbye, done).await.is_err() {
                info!(
                    connections = requests.len(),
                    replicas = passing.len(),
                    "drain timeout passed; closing the remaining connections"
                );
            }
        }
        self.cut.cancel();
    }
}

#[cfg(test)]
mod tests {
    use runtime::readiness::Readiness;
    use tokio::{task::JoinSet, time::Instant};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn agents_leave_one_after_the_other_before_requests_are_refused() {
        let ending = Ending::new(Duration::from_secs(8));
        let (told, readiness) = (CancellationToken::new(), Readiness::default());
        let serving = readiness.condition("serving");
        serving.set(true);
        let mut steps = JoinSet::new();
        steps.spawn(
            ending
                .clone()
                .begin(told.clone().cancelled_owned(), serving),
        );
        let names: Vec<_> = (0..50).map(|number| format!("managed{number}")).collect();
        let mut left = JoinSet::new();
        told.cancel();
        ending.leaving.cancelled().await;
        assert!(!readiness.is_ready());
        let begin = Instant::now();
        for name in &names {
            let (ending, name) = (ending.clone(), name.clone());
            left.spawn(async move {
                ending.turn(&name).await;
                Instant::now()
            });
        }
        let left = left.join_all().await;
        let turns: Vec<_> = left.iter().map(|at| (*at - begin).as_millis()).collect();
        assert!(turns.iter().all(|turn| *turn <= 5000), "{turns:?}");
        assert!(turns.iter().any(|turn| *turn > 2500), "{turns:?}");
        assert!(!ending.drain.is_cancelled());
        steps.join_all().await;
        assert!(ending.drain.is_cancelled() && !ending.cut.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_in_flight_gets_its_time_and_no_more() {
        let (requests, passing) = (TaskTracker::new(), TaskTracker::new());
        requests.spawn(sleep(Duration::from_secs(3)));
        passing.spawn(sleep(Duration::from_secs(7)));
        let begin = Instant::now();
        let ending = Ending::default();
        ending
            .clone()
            .finish(&requests, &passing, Duration::from_secs(20))
            .await;
        assert_eq!(begin.elapsed().as_secs(), 7);
        assert!(ending.cut.is_cancelled());
        let passing = TaskTracker::new();
        passing.spawn(std::future::pending::<()>());
        let begin = Instant::now();
        let deadline = Duration::from_secs(20);
        Ending::default()
            .finish(&requests, &passing, deadline)
            .await;
        assert_eq!(begin.elapsed().as_secs(), deadline.as_secs());
    }
}
