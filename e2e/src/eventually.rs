//! Waiting for something to become true, without fixed sleeps and with an error worth reading.

use std::{error::Error, fmt::Display, future::Future, time::Duration};

use tokio::time::{Instant, sleep};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// Most probes run kubectl, so what is awaited for long is not asked for often.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The condition did not hold in time.
#[derive(Debug, thiserror::Error)]
#[error("{what}: not within {deadline:?}; last seen: {last_seen}")]
pub struct Elapsed {
    what: String,
    deadline: Duration,
    last_seen: String,
}

/// Calls `probe` until it returns `Ok`, for `deadline` at most.
///
/// An `Err` of the probe is not a failure but the state that it saw. The error contains the last
/// one. A probe that hangs is cut off at the deadline.
pub async fn eventually<T, S, F>(
    deadline: Duration,
    what: &str,
    mut probe: impl FnMut() -> F,
) -> Result<T, Elapsed>
where
    F: Future<Output = Result<T, S>>,
    S: Display,
{
    let end = Instant::now() + deadline;
    let mut pause = FIRST_PAUSE;
    let mut last_seen = String::from("nothing: the first probe never answered");
    while let Ok(answer) = tokio::time::timeout_at(end, probe()).await {
        match answer {
            Ok(value) => return Ok(value),
            Err(state) => last_seen = state.to_string(),
        }
        if Instant::now() + pause >= end {
            break;
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
    Err(Elapsed {
        what: what.to_owned(),
        deadline,
        last_seen,
    })
}

/// An error with its causes on one line, as the state that a probe saw.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn returns_the_value_once_it_is_there() {
        let mut calls = 0;
        let value = eventually(Duration::from_secs(5), "three calls", || {
            calls += 1;
            let calls = calls;
            async move {
                if calls == 3 {
                    Ok(calls)
                } else {
                    Err(format!("{calls} calls"))
                }
            }
        });
        assert_eq!(value.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn the_error_says_what_was_awaited_and_what_was_seen() {
        let waiting = eventually(Duration::from_millis(50), "the moon", || async {
            Err::<(), _>("a cloud")
        });
        let error = waiting.await.unwrap_err().to_string();
        assert_eq!(error, "the moon: not within 50ms; last seen: a cloud");
    }
}
