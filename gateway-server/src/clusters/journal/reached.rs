//! Which revisions the hub has reached, and when this replica learnt of them. Pure.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// How many revisions are remembered. There is about one for each change of what is shown.
const REMEMBERED: usize = 4096;
/// How much earlier than another replica this one may have seen a change. It matters if a revision
/// was reached only at the other replica: changes that came here up to this long before may have
/// been unknown there.
const LAG_OF_OTHERS: Duration = Duration::from_secs(10);

/// Revisions and the times at which they were reached, both ascending.
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

    /// The newest revision that was reached at that moment, or the first one that is remembered.
    pub(super) fn newest_at(&self, moment: Instant) -> u64 {
        let index = self.0.partition_point(|(_, at)| *at <= moment);
        let known = self.0.get(index.saturating_sub(1));
        known.map_or(0, |(revision, _)| *revision)
    }

    /// The moment up to which everything that came here was known to every replica at that
    /// revision; `None` if there is no such moment.
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
