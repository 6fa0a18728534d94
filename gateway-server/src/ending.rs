//! The end of the process, in its order: those who send requests and agents here learn of it, agents go
//! one after the other, requests are still accepted for a while, then only what is in flight goes on, and
//! at last everything ends.

use std::{future::Future, pin::pin, time::Duration};

use kubernetes::pauses::jitter;
use runtime::readiness::Condition;
use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

/// What watches get to end in good order, of the time that is in flight.
const GOODBYE: Duration = Duration::from_secs(2);

/// The steps, each a signal that stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending {
    /// This replica wants to go: it is not ready, its peers know, and its agents leave.
    pub(crate) leaving: CancellationToken,
    /// Nothing new is accepted; what is in flight may finish.
    pub(crate) drain: CancellationToken,
    /// The time of what is in flight is nearly over: what may end in good order at any time does.
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

    /// Takes the first two steps once `told` resolves.
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

    /// Waits until it is the turn of one of many, who leave spread over the first five eighths of the
    /// delay.
    pub(crate) async fn turn(&self, of: &str) {
        self.leaving.cancelled().await;
        let window = i64::try_from(self.delay.as_millis() * 5 / 8).unwrap_or(i64::MAX);
        let pause = u64::try_from(jitter(of, window)).unwrap_or_default();
        sleep(Duration::from_millis(pause)).await;
    }

    /// Waits until both are done, at most for `deadline`, and takes the last step.
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
