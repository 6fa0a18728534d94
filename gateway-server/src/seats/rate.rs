//! How many requests may begin in a second. Pure. A token bucket, kept as the time at which it is full
//! again (the generic cell rate algorithm), so that it needs no clock of its own and no refill.

use std::{num::NonZeroU32, time::Duration};

use tokio::time::Instant;

/// How fast requests may begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    per_second: NonZeroU32,
    /// How far ahead of its time the last request of a burst may be.
    ahead: Duration,
}

/// What is left of a rate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    /// When it is full again; it is full if that has passed.
    full: Option<Instant>,
}

impl Rate {
    /// So many requests in a second on average, and `burst` at once.
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let ahead = interval(per_second) * (burst.get() - 1);
        Self { per_second, ahead }
    }

    pub(super) fn per_second(self) -> u32 {
        self.per_second.get()
    }
}

fn interval(per_second: NonZeroU32) -> Duration {
    Duration::from_secs(1) / per_second.get()
}

impl Bucket {
    /// How long a request that comes now would have to wait; zero if it need not.
    pub(super) fn wait(self, rate: Rate, now: Instant) -> Duration {
        let full = self.full.unwrap_or(now);
        full.saturating_duration_since(now + rate.ahead)
    }

    /// Takes what one request needs.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) {
        let full = self.full.map_or(now, |full| full.max(now));
        self.full = Some(full + interval(rate.per_second));
    }

    /// Whether it is as if nothing had been taken.
    pub(super) fn is_full(self, now: Instant) -> bool {
        self.full.is_none_or(|full| full <= now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate::new(
            NonZeroU32::new(per_second).unwrap(),
            NonZeroU32::new(burst).unwrap(),
        )
    }

    #[test]
    fn a_burst_passes_and_then_as_many_as_the_rate_says() {
        let (rate, now) = (rate(10, 3), Instant::now());
        let mut bucket = Bucket::default();
        for _ in 0..3 {
            assert_eq!(bucket.wait(rate, now), Duration::ZERO);
            bucket.take(rate, now);
        }
        assert_eq!(bucket.wait(rate, now), Duration::from_millis(100));
        let later = now + Duration::from_millis(100);
        assert_eq!(bucket.wait(rate, later), Duration::ZERO);
        bucket.take(rate, later);
        assert!(bucket.wait(rate, later) > Duration::ZERO && !bucket.is_full(later));
        assert!(bucket.is_full(now + Duration::from_millis(400)));
    }

    proptest! {
        #[test]
        fn no_span_of_time_has_more_than_a_burst_and_its_rate(
            per_second in 1_u32..50,
            burst in 1_u32..20,
            pauses in vec(0_u64..300, 1..200),
        ) {
            let (rate, mut now) = (rate(per_second, burst), Instant::now());
            let (mut bucket, mut passed) = (Bucket::default(), Vec::new());
            for pause in pauses {
                now += Duration::from_millis(pause);
                if bucket.wait(rate, now).is_zero() {
                    bucket.take(rate, now);
                    passed.push(now);
                } else {
                    // What it says is true: after that time it passes, and not a nanosecond before.
                    let then = now + bucket.wait(rate, now);
                    prop_assert!(bucket.wait(rate, then).is_zero());
                    prop_assert!(!bucket.wait(rate, then - Duration::from_nanos(1)).is_zero());
                }
            }
            for (first, begin) in passed.iter().enumerate() {
                for (count, end) in (1_u32..).zip(&passed[first..]) {
                    let seconds = (*end - *begin).as_secs_f64();
                    let most = f64::from(burst) + seconds * f64::from(per_second) + 1e-6;
                    prop_assert!(f64::from(count) <= most, "{count} in {seconds} s");
                }
            }
        }
    }
}
