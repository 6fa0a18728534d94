//! Several attempts at the same thing, of which one is enough. The next one begins as soon as the
//! one before has failed or is late, and those that are late go on.

use std::{future::Future, ops::ControlFlow, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::{select, time::sleep};

/// The largest number of attempts at once, so that what is slow by itself is not asked for by all.
const AT_ONCE: usize = 3;

/// The first success, or the first failure after which `on_failure` breaks off. The other attempts
/// are dropped. `None` if all have failed.
pub async fn hedged<T, E, F: Future<Output = Result<T, E>>>(
    attempts: impl IntoIterator<Item = F>,
    patience: Duration,
    mut on_failure: impl FnMut(E) -> ControlFlow<E>,
) -> Option<Result<T, E>> {
    let mut attempts = attempts.into_iter().peekable();
    let mut begun = FuturesUnordered::new();
    loop {
        if begun.len() < AT_ONCE {
            begun.extend(attempts.next());
        }
        let has_more = begun.len() < AT_ONCE && attempts.peek().is_some();
        let ended = select! {
            ended = begun.next() => ended?,
            () = sleep(patience), if has_more => continue,
        };
        match ended.map_err(&mut on_failure) {
            Ok(success) => return Some(Ok(success)),
            Err(ControlFlow::Break(error)) => return Some(Err(error)),
            Err(ControlFlow::Continue(())) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::{BoxFuture, FutureExt as _};
    use parking_lot::Mutex;
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    /// Attempts that end after so many seconds in a success, a failure, or a failure that is final;
    /// when each was begun, and how it ended.
    async fn run(
        attempts: &[(u64, Result<u8, bool>)],
    ) -> (Vec<u64>, u64, Option<Result<u8, bool>>) {
        let (start, begun) = (Instant::now(), Mutex::new(Vec::new()));
        let begun = &begun;
        let futures = attempts.iter().map(|&(seconds, outcome)| {
            let attempt = async move {
                begun.lock().push(start.elapsed().as_secs());
                sleep(Duration::from_secs(seconds)).await;
                outcome
            };
            attempt.boxed() as BoxFuture<'_, _>
        });
        let ended = hedged(futures, PATIENCE, |is_final| {
            if is_final {
                ControlFlow::Break(is_final)
            } else {
                ControlFlow::Continue(())
            }
        });
        let ended = ended.await;
        let begun = begun.lock().clone();
        (begun, start.elapsed().as_secs(), ended)
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_attempt_begins_when_one_fails_or_is_late() {
        let (no, fatal) = (Err(false), Err(true));
        assert_eq!(run(&[]).await, (vec![], 0, None));
        assert_eq!(
            run(&[(1, Ok(1)), (0, Ok(2))]).await,
            (vec![0], 1, Some(Ok(1)))
        );
        assert_eq!(run(&[(1, no), (1, no)]).await, (vec![0, 1], 2, None));
        assert_eq!(
            run(&[(1, fatal), (0, Ok(2))]).await,
            (vec![0], 1, Some(fatal))
        );
        assert_eq!(
            run(&[(9, Ok(1)), (1, Ok(2))]).await,
            (vec![0, 2], 3, Some(Ok(2)))
        );
        assert_eq!(
            run(&[(3, Ok(1)), (9, Ok(2))]).await,
            (vec![0, 2], 3, Some(Ok(1)))
        );
        assert_eq!(
            run(&[(9, Ok(1)), (1, no)]).await,
            (vec![0, 2], 9, Some(Ok(1)))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn three_attempts_at_once_are_enough() {
        let slow = [(10, Err(false)); 5];
        assert_eq!(run(&slow).await, (vec![0, 2, 4, 10, 12], 22, None));
    }
}
