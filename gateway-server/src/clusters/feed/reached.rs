//! Which revisions of the hub this replica has come to, and when. Pure.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// How many are remembered; they are as far apart as changes of what is shown.
const REMEMBERED: usize = 4096;
/// How long before a revision that only another replica came to a change may have come here that the other
/// one did not have yet at that revision.
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

    /// The newest that was reached by then, or the first.
    pub(super) fn newest_at(&self, moment: Instant) -> u64 {
        let index = self.0.partition_point(|(_, at)| *at <= moment);
        let known = self.0.get(index.saturating_sub(1));
        known.map_or(0, |(revision, _)| *revision)
    }

    /// What came here up to this moment was known at every replica at that revision; `None` if nothing was.
    pub(super) fn moment_of(&self, revision: u64) -> Option<Instant> {
        let index = self.0.partition_point(|(known, _)| *known < revision);
        let (first, begin) = self.0.front()?;
        if revision < *first {
            return None;
        }
        let (known, at) = self.0.get(index)?;
        if *known == revision {
            return Some(*at);
        }
        let moment = at.checked_sub(LAG_OF_OTHERS)?;
        (moment > *begin).then_some(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_came_up_to_a_revision_was_known_there() {
        let begin = Instant::now() + Duration::from_secs(100);
        let mut reached = Reached::default();
        assert_eq!(reached.moment_of(7), None);
        let after = |seconds| begin + Duration::from_secs(seconds);
        for (revision, seconds) in [(10, 0), (20, 60), (15, 61), (30, 120)] {
            reached.reach(revision, after(seconds));
        }
        assert_eq!(reached.newest(), 30);
        let newest_at = |seconds| reached.newest_at(after(seconds));
        assert_eq!([newest_at(59), newest_at(60), newest_at(200)], [10, 20, 30]);
        assert_eq!(reached.newest_at(begin - LAG_OF_OTHERS), 10);
        for (revision, moment) in [
            (9, None),
            (10, Some(begin)),
            (15, Some(after(60) - LAG_OF_OTHERS)),
            (20, Some(after(60))),
            (29, Some(after(120) - LAG_OF_OTHERS)),
            (31, None),
        ] {
            assert_eq!(reached.moment_of(revision), moment, "{revision}");
        }
    }
}
