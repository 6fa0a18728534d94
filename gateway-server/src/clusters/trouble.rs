//! Requests that a managed cluster cannot answer. The log tells when that begins and when it is over,
//! and not each request.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use runtime::news::REMINDER;
use tokio::time::Instant;

/// A trouble is over at the first answer so long after the last refusal, so that a cluster of which
/// every other request fails does not fill the log.
const CALM: Duration = Duration::from_secs(10);

/// The trouble with one managed cluster, if there is any.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Whether there is, for requests that are answered.
    is_there: AtomicBool,
    now: Mutex<Option<Now>>,
}

#[derive(Debug)]
struct Now {
    since: Instant,
    /// The last refused request.
    last: Instant,
    requests: u64,
    /// Its phases, each with the time at which it was told.
    told: Vec<(&'static str, Instant)>,
}

/// A trouble that is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Over {
    pub(crate) lasted: Duration,
    pub(crate) requests: u64,
}

impl Trouble {
    /// Records a request that failed in this phase. Returns true if the caller should log it.
    pub(crate) fn refused(&self, phase: &'static str) -> bool {
        let at = Instant::now();
        let mut now = self.now.lock();
        let now = now.get_or_insert_with(|| Now {
            since: at,
            last: at,
            requests: 0,
            told: Vec::new(),
        });
        now.last = at;
        now.requests += 1;
        self.is_there.store(true, Ordering::Relaxed);
        match now.told.iter_mut().find(|(told, _)| *told == phase) {
            Some((_, told)) if at - *told < REMINDER => false,
            Some((_, told)) => {
                *told = at;
                true
            }
            None => {
                now.told.push((phase, at));
                true
            }
        }
    }

    /// Records a request that the cluster answered. Returns the trouble that has ended with it, if any.
    pub(crate) fn answered(&self) -> Option<Over> {
        if !self.is_there.load(Ordering::Relaxed) {
            return None;
        }
        let mut now = self.now.lock();
        let over = now.take_if(|now| now.last.elapsed() >= CALM)?;
        self.is_there.store(false, Ordering::Relaxed);
        Some(Over {
            lasted: over.last - over.since,
            requests: over.requests,
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_trouble_is_told_when_it_begins_and_when_it_is_over() {
        let trouble = Trouble::default();
        assert_eq!(trouble.answered(), None);
        assert!(trouble.refused("Tunnel"));
        advance(Duration::from_mins(1)).await;
        assert!(!trouble.refused("Tunnel"));
        // Another phase is news, but only once.
        assert!(trouble.refused("Dial"));
        assert!(!trouble.refused("Tunnel"));
        advance(CALM).await;
        let lasted = Duration::from_mins(1);
        assert_eq!(
            trouble.answered(),
            Some(Over {
                lasted,
                requests: 4
            })
        );
        assert_eq!(trouble.answered(), None);
        assert!(trouble.refused("Tunnel"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_answers_now_and_then_is_told_once() {
        let trouble = Trouble::default();
        let mut told = 0;
        for _ in 0..100 {
            told += u32::from(trouble.refused("Dial"));
            advance(CALM / 2).await;
            assert_eq!(trouble.answered(), None);
        }
        assert_eq!(told, 1);
        // It is told again if it lasts.
        for _ in 0..100 {
            told += u32::from(trouble.refused("Dial"));
            advance(CALM / 2).await;
        }
        assert_eq!(told, 2);
    }
}
