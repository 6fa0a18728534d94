//! In which order the places of a managed cluster are tried. Pure. The addresses: the last good one
//! first, then in the order that the cluster names them, then those that failed lately, the one
//! that has rested longest first. The tunnel comes before all of them, or, if it has failed, before
//! those that have failed as well. None is ever left out, because a bad place is better than none.

use std::{cmp::Reverse, time::Duration};

use tokio::time::Instant;

/// How long a place rests after its first failure …
const FIRST_REST: Duration = Duration::from_secs(5);
/// … doubled with each further one, up to this.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// How a place did when it was last tried.
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

    /// Whether it failed when it was last tried.
    pub(super) fn has_failed(self) -> bool {
        self.failures > 0
    }

    /// Whether it failed, and has rested.
    pub(super) fn has_rested(self, now: Instant) -> bool {
        self.has_failed() && !self.rests(now)
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

/// The order in which places are tried, as indices: of the addresses, which have these records, and
/// after them of the tunnel, if it can be used.
pub(super) fn order(
    addresses: &[TrackRecord],
    tunnel: Option<TrackRecord>,
    now: Instant,
) -> Vec<usize> {
    let mut order: Vec<_> = (0..addresses.len()).collect();
    order.sort_by_key(|&index| {
        let record = addresses[index];
        let resting = record.rests(now).then_some(record.rests_until);
        (resting, Reverse(record.good))
    });
    if let Some(tunnel) = tunnel {
        let has_failed = |index: &usize| addresses[*index].has_failed();
        order.sort_by_key(has_failed);
        let better = order.iter().take_while(|index| !has_failed(index)).count();
        let place = if tunnel.has_failed() { better } else { 0 };
        order.insert(place, addresses.len());
    }
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
            assert_eq!(order(&records, None, now), wanted, "{records:?}");
        }
        let rested = now + FIRST_REST;
        assert_eq!(order(&[once, new], None, rested), [0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_tunnel_comes_first_until_it_fails_and_then_waits_until_it_works() {
        let now = Instant::now();
        let new = TrackRecord::default();
        let once = failed(1, now);
        let rested = now + FIRST_REST;
        let good = TrackRecord::GOOD;
        let addresses = [new, good];
        assert_eq!(order(&addresses, Some(new), now), [2, 1, 0]);
        assert_eq!(order(&addresses, Some(good), now), [2, 1, 0]);
        assert_eq!(order(&addresses, Some(once), now), [1, 0, 2]);
        assert_eq!(order(&addresses, Some(once), rested), [1, 0, 2]);
        let bad = failed(3, now);
        assert_eq!(order(&[bad], Some(once), now), [1, 0]);
        assert_eq!(order(&[once], Some(bad), now), [1, 0]);
        assert_eq!(order(&[once], Some(bad), rested), [1, 0]);
        assert_eq!(order(&[once, new, good], Some(bad), now), [2, 1, 3, 0]);
        assert_eq!(order(&[once, new], Some(bad), rested), [1, 2, 0]);
        assert_eq!(order(&[], Some(once), now), [0]);
        assert!(once.has_rested(rested) && !once.has_rested(now) && !new.has_rested(now));
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
