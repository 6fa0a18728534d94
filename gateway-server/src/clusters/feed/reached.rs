//! Which revisions of the hub this replica has come to, and when. Pure.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// How many are remembered; they are as far apart as changes of what is shown.
const REMEMBERED: usize = 4096;
/// How long before a revision that this replica came to itself a change may have come here that another
/// replica did not have yet at that revision.
const LAG: Duration = Duration::from_secs(1);
/// The same for a revision that only another replica came to.
const LAG_OF_OTHERS: Duration = Duration::from_secs(10);

/// Revisions with the time at which they were reached, both in their order.
#[derive(Debug, Default)]
pub(super) struct Reached(VecDeque<(u64, Instant)>);

impl Reached {
    pub(super) fn reach(&mut self, revision: u64, now: Instant) {
        if revision > self.newest() {
            if self.0.len() >= REMEMBERED {
                self.0.pop_front();
            }
            self.0.push_back((revision, now));
        }
    }

    pub(super) fn newest(&self) -> u64 {
        self.0.back().map_or(0, |(revision, _)| *revision)
    }

    /// What came here before this was known at every replica at that revision; `None` if that was before
    /// everything that is remembered.
    pub(super) fn moment_before(&self, revision: u64) -> Option<Instant> {
        let index = self.0.partition_point(|(known, _)| *known < revision);
        let (first, begin) = self.0.front()?;
        if revision < *first {
            return None;
        }
        let (known, at) = self.0.get(index)?;
        if *known == revision {
            // At the start there is nothing before it but what was there at the start.
            return Some(at.checked_sub(LAG).unwrap_or(*at));
        }
        let moment = at.checked_sub(LAG_OF_OTHERS)?;
        (moment > *begin).then_some(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_revision_was_reached_everywhere_a_moment_after_it_was_here() {
        let begin = Instant::now() + Duration::from_secs(100);
        let mut reached = Reached::default();
        assert_eq!(reached.moment_before(7), None);
        let after = |seconds| begin + Duration::from_secs(seconds);
        for (revision, seconds) in [(10, 0), (20, 60), (15, 61), (30, 120)] {
            reached.reach(revision, after(seconds));
        }
        assert_eq!(reached.newest(), 30);
        for (revision, moment) in [
            (9, None),
            (10, Some(begin - LAG)),
            (15, Some(after(60) - LAG_OF_OTHERS)),
            (20, Some(after(60) - LAG)),
            (29, Some(after(120) - LAG_OF_OTHERS)),
            (31, None),
        ] {
            assert_eq!(reached.moment_before(revision), moment, "{revision}");
        }
    }
}
