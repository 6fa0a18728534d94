//! In which order the addresses of a managed cluster are tried. Pure: the last good one first, then
//! in the order that the cluster names them, then those that failed lately, the one that has rested
//! longest first. None is ever left out, because a bad address is better than none.

use std::{cmp::Reverse, time::Duration};

use tokio::time::Instant;

/// How long an address rests after its first failure …
const FIRST_REST: Duration = Duration::from_secs(5);
/// … doubled with each further one, up to this.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// How an address did when it was last tried.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct TrackRecord {
    /// It is the last one that worked.
    good: bool,
    /// Failures since it last worked.
    failures: u32,
    /// It is tried after the others until then.
    rests_until: Option<Instant>,
}

impl TrackRecord {
    /// After it worked.
    pub(super) const GOOD: Self = Self {
        good: true,
        failures: 0,
        rests_until: None,
    };

    /// Whether it is the last one that worked.
    pub(super) fn is_good(self) -> bool {
        self.good
    }

    /// After another one worked.
    pub(super) fn passed_over(self) -> Self {
        Self {
            good: false,
            ..self
        }
    }

    /// After it failed. Many who wait for one attempt see one failure, so one that rests already
    /// does not rest longer for it.
    pub(super) fn failed(self, now: Instant) -> Self {
        if self.rests(now) {
            return self;
        }
        let rest = FIRST_REST * 2_u32.saturating_pow(self.failures.min(16));
        Self {
            good: false,
            failures: self.failures.saturating_add(1),
            rests_until: Some(now + rest.min(LONGEST_REST)),
        }
    }

    fn rests(self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| until > now)
    }
}

/// The order in which addresses with these records are tried, as indices.
pub(super) fn order(records: &[TrackRecord], now: Instant) -> Vec<usize> {
    let mut order: Vec<_> = (0..records.len()).collect();
    order.sort_by_key(|&index| {
        let record = records[index];
        let resting = record.rests(now).then_some(record.rests_until);
        (resting, Reverse(record.good))
    });
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(times: u32, begin: Instant) -> TrackRecord {
        (0..times).fold(TrackRecord::default(), |record, _| {
            let at = record.rests_until.unwrap_or(begin);
            record.failed(at)
        })
    }

    #[tokio::test(start_paused = true)]
    async fn orders_by_health() {
        let now = Instant::now();
        let new = TrackRecord::default();
        let (once, thrice) = (failed(1, now), failed(3, now));
        let table = [
            (vec![new, new, new], vec![0, 1, 2]),
            (vec![new, TrackRecord::GOOD, new], vec![1, 0, 2]),
            (vec![once, new], vec![1, 0]),
            (vec![once, TrackRecord::GOOD, new], vec![1, 2, 0]),
            (vec![thrice, once], vec![1, 0]),
            (vec![TrackRecord::GOOD.failed(now), new], vec![1, 0]),
            (vec![once], vec![0]),
            (vec![], vec![]),
        ];
        for (records, wanted) in table {
            assert_eq!(order(&records, now), wanted, "{records:?}");
        }
        let rested = now + FIRST_REST;
        assert_eq!(order(&[once, new], rested), [0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn rests_grow_to_a_limit_and_end_with_a_success() {
        let now = Instant::now();
        let rests: Vec<_> = (1..9)
            .map(|times| {
                let before = failed(times - 1, now).rests_until.unwrap_or(now);
                (failed(times, now).rests_until.unwrap() - before).as_secs()
            })
            .collect();
        assert_eq!(rests, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(TrackRecord::GOOD.failed(now), failed(1, now));
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_wait_for_one_attempt_see_one_failure() {
        let now = Instant::now();
        let once = TrackRecord::default().failed(now);
        assert_eq!(once.failed(now + FIRST_REST / 2), once);
        assert_ne!(once.failed(now + FIRST_REST), once);
    }
}
